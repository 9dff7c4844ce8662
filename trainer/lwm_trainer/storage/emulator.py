"""Configures client libraries for an emulated object store, which needs no credentials. Otherwise they would look for some, for minutes
where no metadata server answers."""

import os


def configure_clients() -> None:
    """When STORAGE_EMULATOR_HOST names an emulator: gcsfs (Orbax's files, the compile cache) and TensorStore (Orbax's arrays) ask for no
    credentials. Called before either is first imported."""
    if not os.environ.get("STORAGE_EMULATOR_HOST"):
        return
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # it asks for the bucket's kind over gRPC, which no emulator speaks
    os.environ["NO_GCE_CHECK"] = "true"
    os.environ["GOOGLE_AUTH_TOKEN_FOR_TESTING"] = "anonymous"  # noqa: S105 - TensorStore's way to be told not to look for one
    from fsspec.config import conf

    for protocol in ("gs", "gcs"):
        conf.setdefault(protocol, {})["token"] = "anon"  # noqa: S105 - the name of a method
