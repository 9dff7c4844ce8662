"""The Indexed Job that prepares one data set, and what its workers need."""

from dataclasses import dataclass

from lwm_operator.api import names
from lwm_operator.api.dataset import Dataset, Preparation
from lwm_operator.api.training import Training
from lwm_operator.manifests.accelerator_requirements import CPU_LIMITS, AcceleratorRequirements
from lwm_operator.manifests.common import Manifest, metadata
from lwm_operator.manifests.pod import environment, resources, restricted
from lwm_operator.manifests.rbac import lease, role, role_binding, service_account
from lwm_operator.manifests.run_config import dataset_config
from lwm_operator.manifests.storage import preparation_mounts, store_root, tokenizer_path
from lwm_trainer.config import FATAL_EXIT_CODES, Lease, PrepareConfig

RETRIES = 6
"""Of each worker, by the Job's controller, 10 s to 6 minutes apart: 10 minutes of storage that is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """The preparation of a training's data set `number` (1-based), begun when spec.resume was `run`."""

    training: Training
    number: int
    run: int
    image: str
    template: str

    @property
    def dataset(self) -> Dataset:
        return self.training.spec.datasets[self.number - 1]

    @property
    def asked(self) -> Preparation:
        """Raises ValueError for a data set that is not to be prepared."""
        if (asked := self.dataset.preparation) is None:
            raise ValueError(f"spec.datasets[{self.dataset.name}] has no preparation")
        return asked

    @property
    def name(self) -> str:
        return names.preparation_name(self.training.metadata.name, self.number, self.run)

    @property
    def labels(self) -> dict[str, str]:
        return names.dataset_labels(self.training.metadata.name, self.training.metadata.uid, self.dataset.name, self.run)


def prepare_config(here: Preparing) -> PrepareConfig:
    """All that the workers run with."""
    spec = here.training.spec
    return PrepareConfig(
        training=here.training.metadata.name,
        dataset=dataset_config(here.dataset),
        tokenizer=tokenizer_path(spec),
        vocab_size=spec.model.vocab_size,
        vision_vocab_size=spec.model.vision.vocab_size if spec.model.vision is not None else None,
        seed=spec.seed,
        root=store_root(spec),
        workers=here.asked.workers,
        lease=Lease(namespace=here.training.metadata.namespace, name=here.name),
    )


def preparation_companions(here: Preparing) -> tuple[Manifest, ...]:
    """What is applied before the Job is created."""
    account = service_account(here)
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(here.training, here.name, here.labels),
        "immutable": True,
        "data": {names.RUN_CONFIG_KEY: prepare_config(here).model_dump_json(by_alias=True, indent=1)},
    }
    return (config, lease(here), *((account,) if account is not None else ()), role(here), role_binding(here))


def preparation_job(here: Preparing) -> Manifest:
    """Workers may be made again at any time, so all tries are Kubernetes' own: only what nobody can help ends the Job."""
    spec, workers = here.training.spec, here.asked.workers
    volumes, paths = preparation_mounts(spec, here.dataset)
    pod = restricted(
        here,
        command=["python", "-m", "lwm_trainer.preparation"],
        environment=environment(spec, {}, {}),
        resources=resources(here.asked.resources, AcceleratorRequirements(limits=CPU_LIMITS)),
        volumes=volumes,
        paths=paths,
    )
    found: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(here.training, here.name, here.labels) | {"annotations": {names.ANNOTATION_TEMPLATE: here.template}},
        "spec": {
            "completionMode": "Indexed",
            "completions": workers,
            "parallelism": workers,
            "backoffLimitPerIndex": RETRIES,
            # Worker 0 would wait for ever for the shards of one that is given up.
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
            "template": {"metadata": {"labels": here.labels}, "spec": pod},
        },
    }
    if (queue := spec.execution.queue_name) is not None:
        found["metadata"]["labels"] = {**here.labels, names.LABEL_QUEUE: queue}
        found["spec"]["suspend"] = True
    return found
