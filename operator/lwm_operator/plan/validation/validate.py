"""Does the spec make sense? What the API server's rules cannot say, and once more what they do say: a plan must never trip over a spec."""

from lwm_operator.api.dataset import Dataset
from lwm_operator.api.spec import Spec
from lwm_operator.api.storage import Checkpoint, Location
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gang import gang_of
from lwm_operator.platforms.tpu import SET_BY_GKE
from lwm_trainer.config import Chat, Frames, violations


def validate(spec: Spec) -> tuple[str, ...]:
    """Sentences that name the field and the fix; empty when the spec can be run."""
    found: list[str] = []
    found += _location_errors("spec.checkpoint", spec.checkpoint)
    if "@" in (spec.checkpoint.endpoint or ""):
        found.append("spec.checkpoint.endpoint: it names a user or a password: give http(s)://host:port")
    found += _location_errors("spec.tokenizer", spec.tokenizer)
    if spec.model.init_from is not None:
        found += _location_errors("spec.model.initFrom", spec.model.init_from)
    for dataset in spec.datasets:
        found += _dataset_errors(f"spec.datasets[{dataset.name}]", dataset, sees=spec.model.vision is not None)
    policy = spec.failure_policy.on_divergence
    if policy.action == "Rollback" and policy.discard_checkpoints >= spec.checkpoint.max_to_keep:
        found.append(
            f"spec.failurePolicy.onDivergence.discardCheckpoints: {policy.discard_checkpoints} is not less than spec.checkpoint.maxToKeep "
            f"{spec.checkpoint.max_to_keep}, so that no commit would be left: lower it or raise maxToKeep"
        )
    known = [dataset.name for dataset in spec.datasets]
    for number, stage in enumerate(spec.stages, start=1):
        where = f"spec.stages[{stage.name}]"
        if stage.total_steps < 1:
            found.append(f"{where}.steps: the stage has no step: give steps, or tokens of at least batchTokens")
        found += [
            f"{where}.mixture: data set {share.dataset} is not in spec.datasets: use one of {', '.join(known)}"
            for share in stage.mixture
            if share.dataset not in known
        ]
        if stage.loss.modalities is not None and spec.model.vision is None:
            found.append(f"{where}.loss.modalities: the model has no vision, so there is nothing to balance: remove it or add model.vision")
        accelerator = spec.accelerator_of(stage)
        found += _gke_variable_errors(spec) if accelerator.type == "tpu" else []
        try:
            gang = gang_of(accelerator)
        except PlatformError as error:
            found.append(f"{'spec' if stage.accelerator is None else where}.accelerator.{error}")
            continue
        if gang.slices > 1 and spec.execution.queue_name is not None:
            found.append(
                f"spec.execution.queueName: a queue admits the Jobs of {gang.slices} slices one by one, and each would keep its nodes from "
                f"the others: remove it, or use one larger slice"
            )
        for misfit in violations(
            model=spec.model_of(number),
            mesh=stage.mesh,
            devices=gang.devices,
            slices=gang.slices,
            context_length=stage.context_length,
            batch_tokens=stage.batch_tokens,
            memory=stage.memory,
        ):
            root = "spec." if misfit.field.startswith("model.") else f"{where}."
            found.append(f"{root}{misfit.field}: {misfit.message}")
    return tuple(dict.fromkeys(found))


def _dataset_errors(where: str, dataset: Dataset, *, sees: bool) -> list[str]:
    """`sees`: the model has a vocabulary of vision."""
    found = _location_errors(f"{where}.source", dataset.source)
    if dataset.kind == "vision" and not sees:
        found.append(f"{where}.kind: vision needs spec.model.vision: add it, for LWM's codes with vocabSize 8448")
    for name, kind, changed in (
        ("chat", "chat", dataset.chat != Chat()),
        ("frames", "vision", dataset.frames != Frames()),
    ):
        if changed and dataset.kind != kind:
            found.append(
                f"{where}.{name}: it is for kind {kind}, and this data set is of kind {dataset.kind}: remove it or change the kind"
            )
    from_example = dataset.fields_from_example is not None
    if dataset.kind == "chat" and (from_example or dataset.fields != "text"):
        said = f"a chat is read from chat.messagesField {dataset.chat.messages_field}"
        found.append(f"{where}.{'fieldsFromExample' if from_example else 'fields'}: {said}: remove it or use another kind")
    elif from_example and dataset.fields != "text":
        found.append(f"{where}.fieldsFromExample: fields are given, too: remove one of them")
    rows = dataset.documents
    if rows.max_tokens is not None and rows.max_tokens < rows.min_tokens:
        found.append(f"{where}.documents.maxTokens: {rows.max_tokens} is less than minTokens {rows.min_tokens}: raise it")
    return found


def _gke_variable_errors(spec: Spec) -> list[str]:
    """A pod's own value would win over the right one, which GKE takes from the node."""
    names = [variable.name for variable in spec.pod_template.env if variable.name in SET_BY_GKE]
    return [f"spec.podTemplate.env: {name} is set by GKE on TPU hosts: remove it" for name in names]


def _location_errors(field: str, place: Location | Checkpoint) -> list[str]:
    if (place.uri is None) == (place.pvc is None):
        return [f"{field}: give exactly one of uri and pvc"]
    return []
