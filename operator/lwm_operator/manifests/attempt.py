"""The objects that an attempt needs beside its Jobs."""

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.manifests.common import AttemptSpec, Manifest, metadata
from lwm_operator.manifests.rbac import lease, role, role_binding, service_account
from lwm_operator.manifests.run_config import config_map
from lwm_trainer.config import COORDINATOR_PORT


def supporting_objects(attempt: AttemptSpec) -> tuple[Manifest, ...]:
    """The objects that are applied before the Jobs are created, in the order in which they are applied."""
    account = service_account(attempt)
    return (
        service(attempt.training),
        config_map(attempt),
        lease(attempt),
        *((account,) if account is not None else ()),
        role(attempt),
        role_binding(attempt),
    )


def service(training: Training) -> Manifest:
    """The training's headless Service: host names for the pods of all its attempts.

    Names resolve before pods are ready, because pods need each other's names to become ready.
    """
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
