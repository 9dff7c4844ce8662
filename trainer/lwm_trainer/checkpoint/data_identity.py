"""Whether the data is the same: on all hosts of the gang, and as in the checkpoint that an attempt continues."""

from collections.abc import Sequence

from lwm_trainer import config
from lwm_trainer.checkpoint.gathered_text import gather_text
from lwm_trainer.checkpoint.manifest import Manifest, first_difference
from lwm_trainer.config import AcceptedChange, DataIdentity
from lwm_trainer.runtime import console
from lwm_trainer.runtime.errors import CheckpointMismatchError, DataChangedError

_MESSAGE_BYTES = 128
"""More than the identity of one data set has."""
_NOT_SETTINGS = {"source", "content", "documents", "tokens", "begin_id", "end_id", "accepted"}


def require_equal_on_hosts(data: DataIdentity) -> None:
    """Compare the data of all processes; each of them calls this. Raises DataChangedError in every process."""
    own = "\n".join(map(str, data.values()))
    for host, theirs in enumerate(gather_text(own, _MESSAGE_BYTES * len(data))):
        require_same(data, host, theirs.split("\n"))


def require_same(data: DataIdentity, host: int, theirs: Sequence[str]) -> None:
    """Compare `data` with what `host` says of each data set. Raises DataChangedError."""
    for (name, identity), other in zip(data.items(), theirs, strict=True):
        if str(identity) != other:
            raise DataChangedError(
                f"datasets[{name}].source: {identity.source} is not the same on all hosts: {identity} on this one,"
                f" {other} on host {host}: give all hosts the same files, and leave them as they are while the stage starts"
            )


def continue_data(step_folder: str, saved: Manifest, run: config.RunConfig, data: DataIdentity) -> DataIdentity:
    """Compare the run's data with that of the checkpoint which it continues.

    Returns: `data` with all changes of this stage that were accepted, the newest of them by this attempt.

    Raises CheckpointMismatchError for other settings or other tokens at the ends of documents, DataChangedError for a content that is
    another and that `acceptChangeTo` of the data set does not name.
    """
    if saved.data is None:
        console.warn(f"{step_folder}: an older version wrote it, which kept no identity of the data: nothing compares it with the sources")
        return data
    theirs, ours = _settings(saved.packing, saved.loss or run.loss, saved.data), _settings(run.packing, run.loss, data)
    if (difference := first_difference(theirs, ours)) is not None:
        raise CheckpointMismatchError(
            f"{step_folder}: {difference.field} is {difference.theirs} in the checkpoint, but {difference.ours} in this run:"
            " use the settings that it was made with"
        )
    return {dataset.name: _continue_dataset(step_folder, saved, dataset, data[dataset.name], run.tokenizer) for dataset in run.datasets}


def _settings(packing: config.Packing | None, loss: config.Loss, data: DataIdentity) -> dict[str, object]:
    """What must agree; the order of the data sets, too, because their numbers seed the shuffles."""
    identities = {name: identity.model_dump(exclude=_NOT_SETTINGS) for name, identity in data.items()}
    return {"packing": packing, "loss": loss.model_dump(), "data": identities, "order of datasets": ", ".join(data)}


def _require_same_ends(step_folder: str, name: str, theirs: config.DatasetIdentity, ours: config.DatasetIdentity, tokenizer: str) -> None:
    if theirs.begin_id is not None and (theirs.begin_id, theirs.end_id) != (ours.begin_id, ours.end_id):
        raise CheckpointMismatchError(
            f"{step_folder}: the documents of datasets[{name}] begin with token {theirs.begin_id} and end with {theirs.end_id} in the"
            f" checkpoint ({theirs}), but with {ours.begin_id} and {ours.end_id} in this run ({ours}): put the tokenizer_config.json beside"
            f" {tokenizer} back as it was"
        )


def _continue_dataset(
    step_folder: str, saved: Manifest, dataset: config.Dataset, ours: config.DatasetIdentity, tokenizer: str
) -> config.DatasetIdentity:
    theirs = (saved.data or {})[dataset.name]
    _require_same_ends(step_folder, dataset.name, theirs, ours, tokenizer)
    accepted = theirs.accepted
    if ours.content != theirs.content:
        if dataset.accept_change_to != ours.content:
            raise DataChangedError(
                f"datasets[{dataset.name}].source: {ours.source} has changed since step {saved.step} of this stage was trained:"
                f" {theirs} then, {ours} now: put the data back as it was, or continue with it as it is now by"
                f" datasets[{dataset.name}].acceptChangeTo: {ours.content}; then raise spec.resume"
            )
        change = AcceptedChange(dataset=dataset.name, step=saved.step, previous=theirs.content, content=ours.content)
        accepted = (*accepted, change)
        console.say(f"datasets[{dataset.name}]: step {saved.step} was trained with {theirs}; continues with {ours}, as acceptChangeTo says")
    return ours.model_copy(update={"accepted": accepted})


def accepted_at(step: int, data: DataIdentity) -> tuple[AcceptedChange, ...]:
    """The changes that the attempt accepted which began at `step`."""
    return tuple(change for identity in data.values() for change in identity.accepted if change.step == step)
