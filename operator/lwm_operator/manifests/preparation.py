"""The Indexed Job that prepares one data set, and the objects that its workers need."""

from dataclasses import dataclass

from lwm_operator.api import names
from lwm_operator.api.dataset import Dataset, Preparation
from lwm_operator.api.training import Training
from lwm_operator.manifests.accelerator_requirements import worker_requirements
from lwm_operator.manifests.common import Manifest, metadata
from lwm_operator.manifests.pod import accelerated_pod, pod_metadata
from lwm_operator.manifests.rbac import lease, role, role_binding, service_account
from lwm_operator.manifests.run_config import dataset_config
from lwm_operator.manifests.storage import preparation_mounts, store_root, tokenizer_path
from lwm_operator.platforms.gang import gang_of
from lwm_trainer.config import FATAL_EXIT_CODES, OLDEST_CONTRACT_VERSION, QA_VERSION, Gang, Lease, PrepareConfig

RETRIES = 6
"""Retries of each worker by the Job controller, 10 s to 6 minutes apart. They outlast a storage outage of 10 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationSpec:
    """The preparation of data set `number` (1-based) of a training, started when spec.resume was `run`."""

    training: Training
    number: int
    run: int
    image: str
    template: str
    fixed_user: bool = True

    @property
    def dataset(self) -> Dataset:
        return self.training.spec.datasets[self.number - 1]

    @property
    def settings(self) -> Preparation:
        """`spec.datasets[].preparation`. Raises ValueError for a data set without it."""
        if (settings := self.dataset.preparation) is None:
            raise ValueError(f"spec.datasets[{self.dataset.name}] has no preparation")
        return settings

    @property
    def name(self) -> str:
        return names.preparation_name(self.training.metadata.name, self.number, self.run)

    @property
    def labels(self) -> dict[str, str]:
        return names.dataset_labels(self.training.metadata.name, self.training.metadata.uid, self.dataset.name, self.run)


def prepare_config(preparation: PreparationSpec) -> PrepareConfig:
    """The config file of the workers."""
    spec = preparation.training.spec
    return PrepareConfig(
        min_reader_version=QA_VERSION if preparation.dataset.kind == "qa" else OLDEST_CONTRACT_VERSION,
        training=preparation.training.metadata.name,
        dataset=dataset_config(preparation.dataset),
        tokenizer=tokenizer_path(spec),
        vocab_size=spec.model.vocab_size,
        vision_vocab_size=spec.model.vision.vocab_size if spec.model.vision is not None else None,
        seed=spec.seed,
        root=store_root(spec),
        workers=preparation.settings.workers,
        host=_host(preparation),
        lease=Lease(namespace=preparation.training.metadata.namespace, name=preparation.name),
    )


def _host(preparation: PreparationSpec) -> Gang | None:
    """The gang of one host that each worker is by itself; None where it has no accelerator."""
    if (accelerator := preparation.settings.accelerator) is None:
        return None
    gang = gang_of(accelerator)
    service = preparation.training.metadata.name
    return Gang(
        job=preparation.name, service=service, hosts=1, devices_per_host=gang.devices_per_host, platform=gang.platform, coordinator=""
    )


def preparation_companions(preparation: PreparationSpec) -> tuple[Manifest, ...]:
    """The objects that are applied before the Job is created."""
    account = service_account(preparation)
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(preparation.training, preparation.name, preparation.labels),
        "immutable": True,
        "data": {names.RUN_CONFIG_KEY: prepare_config(preparation).model_dump_json(by_alias=True, indent=1)},
    }
    return (config, lease(preparation), *((account,) if account is not None else ()), role(preparation), role_binding(preparation))


def preparation_job(preparation: PreparationSpec) -> Manifest:
    """Kubernetes retries the workers, because a worker may start again at any time. Only a permanent failure ends the Job."""
    spec, workers = preparation.training.spec, preparation.settings.workers
    volumes, volume_mounts = preparation_mounts(spec, preparation.dataset)
    requirements = worker_requirements(preparation.settings.accelerator)
    pod = accelerated_pod(
        preparation,
        requirements,
        command=["python", "-m", "lwm_trainer.preparation"],
        own_environment={},
        users_resources=preparation.settings.resources,
        volumes=volumes,
        volume_mounts=volume_mounts,
    )
    job: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(preparation.training, preparation.name, preparation.labels)
        | {"annotations": {names.ANNOTATION_TEMPLATE: preparation.template}},
        "spec": {
            "completionMode": "Indexed",
            "completions": workers,
            "parallelism": workers,
            "backoffLimitPerIndex": RETRIES,
            # Worker 0 would wait forever for the shards of a worker that is given up.
            "maxFailedIndexes": 0,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": names.CONTAINER, "operator": "In", "values": sorted(FATAL_EXIT_CODES)},
                    },
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {"metadata": pod_metadata(spec, preparation.labels, requirements.annotations), "spec": pod},
        },
    }
    if (queue := spec.execution.queue_name) is not None:
        job["metadata"]["labels"] = {**preparation.labels, names.LABEL_QUEUE: queue}
        job["spec"]["suspend"] = True
    return job
