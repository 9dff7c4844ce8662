"""The environment of libtpu, before anything can load it."""

import lwm_trainer.fit.compile.topology  # noqa: F401
