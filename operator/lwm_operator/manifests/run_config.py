"""The run config of an attempt, and the immutable ConfigMap that carries it."""

from lwm_operator.api import names
from lwm_operator.api.dataset import Dataset as DatasetSpec
from lwm_operator.manifests.common import Manifest, Run, metadata
from lwm_operator.manifests.storage import checkpoint_base, init_path, source_path, tokenizer_path
from lwm_trainer.config import COORDINATOR_PORT, Checkpoint, Dataset, Gang, Lease, RunConfig, Start


def run_config(run: Run) -> RunConfig:
    """All that the attempt runs with. Raises ValueError for a spec that `plan.accept` would refuse."""
    training, spec, stage, gang = run.training, run.training.spec, run.stage_spec, run.gang
    about = training.metadata
    root = names.run_root(checkpoint_base(spec), about.namespace, about.name, about.uid)
    return RunConfig(
        training=about.name,
        stage=stage.name,
        stage_index=run.stage - 1,
        stage_count=len(spec.stages),
        attempt=run.attempt,
        seed=spec.seed,
        gang=Gang(
            job=run.name,
            service=about.name,
            slices=gang.slices,
            hosts=gang.hosts,
            devices_per_host=gang.devices_per_host,
            platform=gang.platform,
            coordinator=f"{run.first_host}:{COORDINATOR_PORT}",
        ),
        mesh=stage.mesh,
        model=spec.model_of(run.stage),
        tokenizer=tokenizer_path(spec),
        datasets=_datasets(run),
        context_length=stage.context_length,
        batch_tokens=stage.batch_tokens,
        packing=stage.packing,
        rope_theta=stage.rope_theta,
        steps=stage.total_steps,
        optimizer=stage.optimizer,
        loss=stage.loss,
        memory=stage.memory,
        checkpoint=Checkpoint(root=root, save_interval_steps=spec.checkpoint.save_interval_steps, max_to_keep=spec.checkpoint.max_to_keep),
        start=_start(run),
        hang=spec.failure_policy.hang,
        compile_cache=f"{checkpoint_base(spec)}/compile-cache",
        lease=Lease(namespace=about.namespace, name=run.name),
    )


def _start(run: Run) -> Start:
    """As planned; before the first stage there is none but what the spec names."""
    if run.stage > 1:
        return run.start
    return run.start.model_copy(update={"stage_checkpoint": init_path(run.training.spec)})


def _datasets(run: Run) -> tuple[Dataset, ...]:
    """What the stage draws on; a data set that is prepared with its place."""
    weights = run.training.spec.weights_of(run.stage_spec)
    return tuple(
        dataset_config(dataset).model_copy(update={"weight": weights[dataset.name], "prepared": run.prepared.get(dataset.name)})
        for dataset in run.training.spec.drawn_on(run.stage_spec)
    )


def dataset_config(dataset: DatasetSpec) -> Dataset:
    """As the trainer and the workers of its preparation are told of it."""
    return Dataset(
        name=dataset.name,
        kind=dataset.kind,
        uri=source_path(dataset),
        fields=dataset.fields,
        fields_from_example=dataset.fields_from_example,
        chat=dataset.chat,
        frames=dataset.frames,
        documents=dataset.documents,
        on_bad_record=dataset.on_bad_record,
    )


def config_map(run: Run) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(run.training, run.name, run.labels),
        "immutable": True,
        "data": {names.RUN_CONFIG_KEY: run_config(run).model_dump_json(by_alias=True, indent=1)},
    }
