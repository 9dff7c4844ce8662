"""The environment of libtpu, before anything can load it."""

import lwm_trainer.fit.topology  # noqa: F401
