"""The environment of libtpu, before anything can load it. JAX keeps no programs for TPUs, because no process here could load
them; support.tpu_programs keeps what tests read of them."""

import jax

import lwm_trainer.fit.compile.topology  # noqa: F401

jax.config.update("jax_enable_compilation_cache", False)
