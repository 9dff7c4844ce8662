"""The headless Service of a training: host names for the pods of all its attempts."""

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.manifests.common import Manifest, metadata
from lwm_trainer.config import COORDINATOR_PORT


def service(training: Training) -> Manifest:
    """Names resolve before pods are ready, because the pods become ready by meeting each other."""
    about = training.metadata
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(training, about.name, names.labels(about.name, about.uid)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {names.LABEL_UID: about.uid},
            "ports": [{"name": "coordinator", "port": COORDINATOR_PORT, "targetPort": COORDINATOR_PORT, "protocol": "TCP"}],
        },
    }
