"""The environment of libtpu, before anything can load it. Programs for TPUs are always compiled: no process here could load them."""

import jax

import lwm_trainer.fit.compile.topology  # noqa: F401

jax.config.update("jax_enable_compilation_cache", False)
