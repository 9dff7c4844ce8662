"""A stage goes on with the data of its checkpoint, or with a change that the data set accepts, and says which."""

from typing import Any

import pytest

from lwm_trainer.checkpoint.data_identity import accepted_at, continue_data, require_same
from lwm_trainer.checkpoint.manifest import Manifest, make_manifest
from lwm_trainer.config import AcceptedChange, DataIdentity, DatasetIdentity, Documents, ErrorReason, ExitCode, RunConfig
from lwm_trainer.runtime.errors import CheckpointMismatchError, DataChangedError
from support.builders import a_run

WAS, NOW, LATER = "a" * 16, "b" * 16, "c" * 16
CHANGE = AcceptedChange(dataset="d", step=3, previous=WAS, content=NOW)


def data(content: str = WAS, **changes: Any) -> DataIdentity:
    fields: dict[str, Any] = {
        "source": "/texts",
        "content": content,
        "documents": 40,
        "tokens": 9120,
        "begin_id": 1,
        "end_id": 2,
        "weight": 1,
        "selection": Documents(),
    }
    return {"d": DatasetIdentity(**(fields | changes))}


def saved(identities: DataIdentity | None = None, step: int = 3) -> Manifest:
    manifest = make_manifest(a_run(), a_run().mesh, "t", step, data() if identities is None else identities)
    return Manifest.model_validate_json(manifest.model_dump_json(by_alias=True))


def accepting(content: str | None, **changes: Any) -> RunConfig:
    return a_run(datasets=[{"name": "d", "uri": "/texts", "accept_change_to": content}], **changes)


def test_the_same_data_at_another_address_goes_on() -> None:
    moved = data(source="/moved")
    assert continue_data("/runs/3", saved(), a_run(), moved) == moved


@pytest.mark.parametrize("accepted", [None, WAS, LATER])
def test_another_content_is_refused_with_both_identities_and_the_field_that_accepts_it(accepted: str | None) -> None:
    with pytest.raises(DataChangedError) as raised:
        continue_data("/runs/3", saved(), accepting(accepted), data(NOW, documents=37, tokens=8402))
    assert str(raised.value) == (
        f"datasets[d].source: /texts has changed since step 3 of this stage was trained: 40 documents, 9,120 tokens, content {WAS} then,"
        f" 37 documents, 8,402 tokens, content {NOW} now: put the data back as it was, or continue with it as it is now by"
        f" datasets[d].acceptChangeTo: {NOW}; then raise spec.resume"
    )
    assert (raised.value.code, raised.value.reason) == (ExitCode.BAD_DATA, ErrorReason.DATA_CHANGED)


def test_an_accepted_change_is_kept_in_every_later_manifest_and_accepts_no_other() -> None:
    accepted = continue_data("/runs/3", saved(), accepting(NOW), data(NOW))
    assert accepted["d"].accepted == (CHANGE,) == accepted_at(3, accepted)
    again = continue_data("/runs/5", saved(accepted, step=5), accepting(NOW), data(NOW))
    assert again == accepted
    assert accepted_at(5, again) == ()
    with pytest.raises(DataChangedError):
        continue_data("/runs/5", saved(accepted, step=5), accepting(NOW), data(LATER))
    back = continue_data("/runs/5", saved(accepted, step=5), accepting(WAS), data(WAS))
    assert back["d"].accepted == (CHANGE, AcceptedChange(dataset="d", step=5, previous=NOW, content=WAS))


@pytest.mark.parametrize(
    ("changes", "identities", "difference"),
    [
        ({"packing": "bucketed"}, data(), "packing is mixed in the checkpoint, but bucketed in this run"),
        ({}, data(weight=2), r"data\.d\.weight is 1\.0 in the checkpoint, but 2\.0 in this run"),
        ({}, data(selection=Documents(min_tokens=5)), r"data\.d\.selection\.min_tokens is 1 in the checkpoint, but 5 in this run"),
        ({}, data() | {"e": data()["d"]}, r"data\.e\.weight is None in the checkpoint, but 1\.0 in this run"),
        ({"loss": {"weighting": "examples"}}, data(), r"loss\.weighting is tokens in the checkpoint, but examples in this run"),
    ],
)
def test_other_settings_of_packing_mixture_and_selection_are_refused(changes: Any, identities: DataIdentity, difference: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=difference):
        continue_data("/runs/3", saved(), a_run(**changes), identities)


def test_another_order_of_the_same_data_sets_is_refused() -> None:
    both = data() | {"e": data(LATER)["d"]}
    with pytest.raises(CheckpointMismatchError, match=r"order of datasets is d, e in the checkpoint, but e, d in this run"):
        continue_data("/runs/3", saved(both), a_run(), {"e": both["e"], "d": both["d"]})


@pytest.mark.parametrize("accepted", [None, NOW])
@pytest.mark.parametrize(("ends", "words"), [({"begin_id": 5}, "5 and 2"), ({"end_id": 7}, "1 and 7")])
def test_other_tokens_at_the_ends_of_documents_are_refused_with_both_identities(
    ends: dict[str, int], words: str, accepted: str | None
) -> None:
    with pytest.raises(CheckpointMismatchError) as raised:
        continue_data("/runs/3", saved(), accepting(accepted, tokenizer="/t/tokenizer.json"), data(NOW, **ends))
    assert str(raised.value) == (
        "/runs/3: the documents of datasets[d] begin with token 1 and end with 2 in the checkpoint (40 documents, 9,120 tokens, content"
        f" {WAS}), but with {words} in this run (40 documents, 9,120 tokens, content {NOW}): put the tokenizer_config.json beside"
        " /t/tokenizer.json back as it was"
    )


def test_a_checkpoint_that_kept_neither_ends_nor_loss_goes_on_and_the_next_one_keeps_them() -> None:
    older = saved(data(begin_id=None, end_id=None)).model_copy(update={"loss": None})
    goes_on = continue_data("/runs/3", older, a_run(loss={"weighting": "examples"}), data())
    assert (goes_on["d"].begin_id, goes_on["d"].end_id) == (1, 2)


def test_a_checkpoint_of_an_older_version_goes_on_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    older = make_manifest(a_run(), a_run().mesh, "t", 3)
    assert continue_data("/runs/3", older, a_run(), data()) == data()
    assert "kept no identity of the data" in capsys.readouterr().err


def test_hosts_that_read_other_data_are_told_apart() -> None:
    require_same(data(), 1, [str(data()["d"])])
    with pytest.raises(DataChangedError) as raised:
        require_same(data(), 1, [str(data(NOW)["d"])])
    assert str(raised.value) == (
        f"datasets[d].source: /texts is not the same on all hosts: 40 documents, 9,120 tokens, content {WAS} on this one,"
        f" 40 documents, 9,120 tokens, content {NOW} on host 1: give all hosts the same files, and leave them as they are"
        " while the stage starts"
    )
