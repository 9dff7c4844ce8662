"""Eight CPU devices in one process, for whatever is sharded."""

import jax

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
