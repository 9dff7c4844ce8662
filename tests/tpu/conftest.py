"""The environment of libtpu, before anything can load it."""

import tpu.topology  # noqa: F401
