"""The environment variables that the operator sets in every pod of a training, over the user's."""

from lwm_operator.api.spec import Spec


def operator_variables(spec: Spec) -> dict[str, str]:
    """Values by name, of a training on any accelerator."""
    # USER, because libraries look the name up, and the user id has no entry in /etc/passwd.
    variables = {"HOME": "/tmp", "USER": "lwm", "PYTHONUNBUFFERED": "1"}  # noqa: S108 - an emptyDir of the pod's own
    if endpoint := spec.checkpoint.endpoint:
        variables |= {"STORAGE_EMULATOR_HOST": endpoint, "TENSORSTORE_GCS_HTTP_URL": endpoint, "GOOGLE_CLOUD_PROJECT": "lwm"}
    return variables
