"""Validation of a spec: what CEL rules cannot express, and again what they do, because the plan must never fail on a spec."""

from collections.abc import Iterator

from lwm_operator.api.dataset import Dataset
from lwm_operator.api.spec import Spec
from lwm_operator.api.storage import Checkpoint, Location
from lwm_operator.plan.validation.gate import gate_errors
from lwm_operator.plan.validation.pod_fields import gke_variable_errors, gpu_errors, pod_errors
from lwm_operator.platforms.devices import device_resources
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gang import gang_of
from lwm_trainer.config import FRAME_TOKENS, MAX_VALIDATIONS, PAIR_TOKENS, Chat, Frames, optimizer_violations, violations


def validate(spec: Spec) -> tuple[str, ...]:
    """Sentences that name the field and the fix; empty when the spec can be run."""
    errors: list[str] = []
    errors += _location_errors("spec.checkpoint", spec.checkpoint)
    if "@" in (spec.checkpoint.endpoint or ""):
        errors.append("spec.checkpoint.endpoint: it names a user or a password: give http(s)://host:port")
    errors += _location_errors("spec.tokenizer", spec.tokenizer)
    if spec.model.init_from is not None:
        errors += _location_errors("spec.model.initFrom", spec.model.init_from)
    for dataset in spec.datasets:
        errors += _dataset_errors(f"spec.datasets[{dataset.name}]", dataset, has_vision=spec.model.vision is not None)
    policy = spec.failure_policy.on_divergence
    if policy.action == "Rollback" and policy.discard_checkpoints >= spec.checkpoint.max_to_keep:
        errors.append(
            f"spec.failurePolicy.onDivergence.discardCheckpoints: {policy.discard_checkpoints} is not less than spec.checkpoint.maxToKeep "
            f"{spec.checkpoint.max_to_keep}, so that no commit would be left: lower it or raise maxToKeep"
        )
    known = [dataset.name for dataset in spec.datasets]
    for number, stage in enumerate(spec.stages, start=1):
        where = f"spec.stages[{stage.name}]"
        if not spec.weights_of(stage):
            errors.append(f"{where}.mixture: stages validate on all data sets, so none is left to train on: add another to spec.datasets")
        if stage.total_steps < 1:
            errors.append(f"{where}.steps: the stage has no step: give steps, or tokens of at least batchTokens")
        errors += [
            f"{where}.mixture: data set {share.dataset} is not in spec.datasets: use one of {', '.join(known)}"
            for share in stage.mixture
            if share.dataset not in known
        ]
        errors += gate_errors(f"{where}.gate", spec, stage)
        if stage.profile is not None and (last := max(stage.profile.steps)) > stage.total_steps:
            errors.append(f"{where}.profile.steps: {last} is beyond the stage's {stage.total_steps} steps: name steps from 1 to that")
        errors += _validation_errors(f"{where}.validation", spec, number)
        if stage.loss.modalities is not None and spec.model.vision is None:
            errors.append(
                f"{where}.loss.modalities: the model has no vision, so there is nothing to balance: remove it or add model.vision"
            )
        accelerator = spec.accelerator_of(stage)
        accelerator_field = f"{'spec' if stage.accelerator is None else where}.accelerator"
        errors += gpu_errors(f"{accelerator_field}.gpu", accelerator.gpu, spec.pod_template) if accelerator.gpu is not None else []
        errors += gke_variable_errors(spec) if accelerator.type == "tpu" else []
        try:
            gang = gang_of(accelerator)
        except PlatformError as error:
            errors.append(f"{accelerator_field}.{error}")
            continue
        errors += pod_errors(spec, device_resources(accelerator))
        if gang.slices > 1 and spec.execution.queue_name is not None:
            errors.append(
                f"spec.execution.queueName: a queue admits the Jobs of {gang.slices} slices one by one, and each would keep its nodes from "
                f"the others: remove it, or use one larger slice"
            )
        for violation in violations(
            model=spec.model_of(number),
            mesh=stage.mesh,
            devices=gang.devices,
            slices=gang.slices,
            context_length=stage.context_length,
            batch_tokens=stage.batch_tokens,
            memory=stage.memory,
        ) + optimizer_violations(stage.optimizer, stage.total_steps):
            root = "spec." if violation.field.startswith("model.") else f"{where}."
            errors.append(f"{root}{violation.field}: {violation.message}")
    return tuple(dict.fromkeys(errors))


def _dataset_errors(where: str, dataset: Dataset, *, has_vision: bool) -> list[str]:
    """Errors of one data set. `has_vision`: the model has a vision vocabulary."""
    errors = _location_errors(f"{where}.source", dataset.source)
    if dataset.kind == "vision" and not has_vision:
        errors.append(f"{where}.kind: vision needs spec.model.vision: add it, for LWM's codes with vocabSize 8448")
    for name, kinds, changed in (
        ("chat", ("chat", "qa"), dataset.chat != Chat()),
        ("frames", ("vision",), dataset.frames != Frames()),
    ):
        if changed and dataset.kind not in kinds:
            errors.append(
                f"{where}.{name}: it is for kind {' or '.join(kinds)}, and this data set is of kind {dataset.kind}: remove it or change the"
                " kind"
            )
    if dataset.media is not None and dataset.kind != "vision":
        errors.append(f"{where}.media: it is for kind vision, and this data set is of kind {dataset.kind}: remove it or change the kind")
    if dataset.media is not None and dataset.preparation is None:
        errors.append(f"{where}.media: pictures and clips are encoded by a preparation: set preparation.workers")
    if dataset.media is None and dataset.preparation is not None and dataset.preparation.accelerator is not None:
        errors.append(f"{where}.preparation.accelerator: it encodes media, and this data set has none: remove it or set media")
    if (dataset.kind == "qa") != (dataset.qa is not None):
        errors.append(f"{where}.qa: it is for kind qa, which needs it: set both or neither")
    if (qa := dataset.qa) is not None:
        if dataset.preparation is None:
            errors.append(f"{where}.qa: questions are made by a preparation: set preparation.workers")
        if qa.tokens < (least := qa.chunk_tokens + PAIR_TOKENS + FRAME_TOKENS):
            errors.append(f"{where}.qa.tokens: {qa.tokens} do not hold a chunk of {qa.chunk_tokens} with its question: use {least} or more")
        if "[" in dataset.fields or dataset.fields_from_example is not None:
            errors.append(f"{where}.fields: kind qa reads plain text: name its fields without brackets")
    from_example = dataset.fields_from_example is not None
    if dataset.kind == "chat" and (from_example or dataset.fields != "text"):
        field = "fieldsFromExample" if from_example else "fields"
        source = f"a chat is read from chat.messagesField {dataset.chat.messages_field}"
        errors.append(f"{where}.{field}: {source}: remove it or use another kind")
    elif from_example and dataset.fields != "text":
        errors.append(f"{where}.fieldsFromExample: fields are given, too: remove one of them")
    documents = dataset.documents
    if documents.max_tokens is not None and documents.max_tokens < documents.min_tokens:
        errors.append(f"{where}.documents.maxTokens: {documents.max_tokens} is less than minTokens {documents.min_tokens}: raise it")
    return errors


def _validation_errors(where: str, spec: Spec, number: int) -> Iterator[str]:
    """Errors of the validation of stage `number` (1-based)."""
    stage = spec.stages[number - 1]
    if stage.validation is None:
        return
    datasets = {dataset.name: dataset for dataset in spec.datasets}
    for name in stage.validation.datasets:
        trains = [each.name for each in spec.stages if name in spec.weights_of(each)]
        if name not in datasets:
            yield f"{where}.datasets: data set {name} is not in spec.datasets: use one of {', '.join(datasets)}"
        elif trains:
            yield f"{where}.datasets: stage {trains[0]} trains on data set {name}, so it is not held out: use another one"
        elif datasets[name].kind == "vision" and spec.model_of(number).vision is None:
            yield f"{where}.datasets: {name} is of kind vision, and this stage comes before all that train on vision: use another one"
    interval = stage.validation.interval_steps
    if interval is not None and (count := stage.total_steps // interval) > MAX_VALIDATIONS:
        least = -(-stage.total_steps // MAX_VALIDATIONS)
        yield f"{where}.intervalSteps: {interval} makes {count} validations, at most {MAX_VALIDATIONS} are kept: use at least {least}"


def _location_errors(field: str, location: Location | Checkpoint) -> list[str]:
    if (location.uri is None) == (location.pvc is None):
        return [f"{field}: give exactly one of uri and pvc"]
    return []
