"""The run config of an attempt, and the immutable ConfigMap that carries it."""

import hashlib

from lwm_operator.api import names
from lwm_operator.api.dataset import Dataset as DatasetSpec
from lwm_operator.manifests.common import AttemptSpec, Manifest, metadata
from lwm_operator.manifests.ports import attempt_ports
from lwm_operator.manifests.storage import source_path, tokenizer_path
from lwm_trainer.config import (
    OLDEST_CONTRACT_VERSION,
    QA_VERSION,
    Checkpoint,
    Dataset,
    Gang,
    Gate,
    GateSuite,
    Haystack,
    Lease,
    RunConfig,
    Validation,
)


def run_config(attempt: AttemptSpec) -> RunConfig:
    """The run config of the attempt. Raises ValueError for a spec that `plan.validation` would refuse."""
    training, spec, stage, gang = attempt.training, attempt.training.spec, attempt.stage_spec, attempt.gang
    about, ports, gate = training.metadata, attempt_ports(attempt), _gate(attempt)
    return RunConfig(
        min_reader_version=max(
            stage.optimizer.min_reader_version,
            gate.min_reader_version if gate is not None else OLDEST_CONTRACT_VERSION,
            *(QA_VERSION for dataset in spec.datasets if dataset.kind == "qa" and dataset.name in spec.dataset_names_of(stage)),
        ),
        training=about.name,
        stage=stage.name,
        stage_index=attempt.stage - 1,
        stage_count=len(spec.stages),
        attempt=attempt.attempt,
        seed=spec.seed,
        gang=Gang(
            job=attempt.name,
            service=about.name,
            slices=gang.slices,
            hosts=gang.hosts,
            devices_per_host=gang.devices_per_host,
            platform=gang.platform,
            coordinator=f"{attempt.first_host}:{ports.coordinator}",
        ),
        mesh=stage.mesh,
        model=spec.model_of(attempt.stage),
        precision=spec.precision,
        tokenizer=tokenizer_path(spec),
        datasets=_datasets(attempt),
        context_length=stage.context_length,
        batch_tokens=stage.batch_tokens,
        packing=stage.packing,
        rope_theta=stage.rope_theta,
        steps=stage.total_steps,
        optimizer=stage.optimizer,
        loss=stage.loss,
        memory=stage.memory,
        validation=_validation(attempt),
        gate=gate,
        checkpoint=Checkpoint(
            root=training.run_root,
            save_interval_steps=spec.checkpoint.save_interval_steps,
            save_interval_minutes=spec.checkpoint.save_interval_minutes,
            max_to_keep=spec.checkpoint.max_to_keep,
        ),
        start=attempt.start,
        hang=spec.failure_policy.hang,
        trackers=spec.trackers,
        profile_steps=stage.profile.steps if stage.profile is not None else (),
        compile_cache=f"{spec.checkpoint.base}/compile-cache",
        lease=Lease(namespace=about.namespace, name=attempt.name),
        metrics_port=ports.metrics,
    )


def _datasets(attempt: AttemptSpec) -> tuple[Dataset, ...]:
    """The data sets of the stage's mixture, each with its token store if it is prepared."""
    weights = attempt.training.spec.weights_of(attempt.stage_spec)
    datasets = attempt.training.spec.datasets_of(attempt.stage_spec)
    return tuple(_prepared(attempt, dataset).model_copy(update={"weight": weights[dataset.name]}) for dataset in datasets)


def _validation(attempt: AttemptSpec) -> Validation | None:
    wanted = attempt.stage_spec.validation
    if wanted is None:
        return None
    datasets = {dataset.name: dataset for dataset in attempt.training.spec.datasets}
    return Validation(
        datasets=tuple(_prepared(attempt, datasets[name]) for name in wanted.datasets),
        batches=wanted.batches,
        interval_steps=wanted.interval_steps,
    )


def _gate(attempt: AttemptSpec) -> Gate | None:
    gate = attempt.stage_spec.gate
    if gate is None:
        return None
    datasets = {dataset.name: dataset for dataset in attempt.training.spec.datasets}
    suites = []
    for each in (suite.with_defaults() for suite in gate.suites):
        haystack = None if each.haystack is None else datasets[each.haystack]
        texts = None if haystack is None else Haystack(uri=source_path(haystack), field=haystack.fields)
        suites.append(GateSuite(**{**each.model_dump(), "haystack": texts}))
    return Gate(max_validation_loss=gate.max_validation_loss, suites=tuple(suites))


def _prepared(attempt: AttemptSpec, dataset: DatasetSpec) -> Dataset:
    """The data set with its token store, if it is prepared."""
    return dataset_config(dataset).model_copy(update={"prepared": attempt.prepared.get(dataset.name)})


def dataset_config(dataset: DatasetSpec) -> Dataset:
    """The data set as the trainer and the workers of its preparation read it."""
    return Dataset(
        name=dataset.name,
        kind=dataset.kind,
        uri=source_path(dataset),
        fields=dataset.fields,
        fields_from_example=dataset.fields_from_example,
        chat=dataset.chat,
        frames=dataset.frames,
        media=dataset.media,
        qa=dataset.qa,
        documents=dataset.documents,
        on_bad_record=dataset.on_bad_record,
        accept_change_to=dataset.accept_change_to,
    )


def run_config_text(attempt: AttemptSpec) -> str:
    """The content of the file that the pods of the attempt read."""
    return run_config(attempt).model_dump_json(by_alias=True, indent=1)


def run_config_hash(attempt: AttemptSpec) -> str:
    return hashlib.sha256(run_config_text(attempt).encode()).hexdigest()[:16]


def config_map(attempt: AttemptSpec) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(attempt.training, attempt.name, attempt.labels),
        "immutable": True,
        "data": {names.RUN_CONFIG_KEY: run_config_text(attempt)},
    }
