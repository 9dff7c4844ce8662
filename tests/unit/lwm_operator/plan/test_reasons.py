import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lwm_operator
from lwm_operator.cluster.parse_endings import DISRUPTIONS
from lwm_operator.plan import reasons
from lwm_operator.plan.attempt.termination import OPERATOR_DECISIONS
from lwm_operator.plan.failure.failure_classes import EXIT_CODES, POD_REASONS
from lwm_operator.plan.failure.node_blame import NODE_REASONS
from lwm_operator.plan.pending.kubelet_reasons import BY_MESSAGE, BY_REASON
from lwm_operator.plan.reasons import GROUPS, PendingReason, Reason, TrainerReason, exit_code_reason, find_reason
from lwm_trainer.config import ErrorReason, ExitCode, Phase
from tools.docs import __main__

WORDS_OF_KUBERNETES = {
    "cluster/kueue.py": {"Evicted"},  # types of conditions
    "cluster/pod_diagnostics.py": {"Failed", "FailedCreatePodSandBox", "FailedMount", "Pulling"},  # reasons of Events
    "cluster/parse.py": {"Complete", "Failed"},  # types of conditions
    "cluster/parse_endings.py": {"Failed", "StartError"},  # a pod's phase, a reason of container runtimes
    "cluster/parse_pods.py": {"ContainerCreating"},  # a reason of the kubelet
    "plan/garbage_collection.py": {"Complete", "Failed"},  # types of conditions
    "plan/observed.py": {"Failed"},  # a pod's phase
    "plan/pending/kubelet_reasons.py": {
        *("ContainerCreating", "FailedCreatePodSandBox", "FailedMount", "NodeNotReady", "Pulling", "SchedulingGated", "Unschedulable")
    },
    "plan/status/conditions.py": {"Complete", "Failed", "Suspended"},  # types of conditions
}
"""Literals that are equal to a reason, but are words of an API that are compared or mapped, and never written as a reason."""

ALL = [reason for group in GROUPS for reason in group]


@pytest.mark.parametrize("reason", ALL)
def test_each_reason_is_one_word_that_fits_into_status_with_sentences_for_people(reason: Reason) -> None:
    assert str(reason).isalnum()
    assert str(reason)[0].isupper()
    assert len(reason) <= 64
    for text in (reason.meaning, reason.example, reason.fix):
        assert text
        assert "\n" not in text
    assert reason.meaning.endswith(".")
    assert reason.fix.endswith(".")


def test_no_word_stands_twice() -> None:
    assert len({str(reason) for reason in ALL}) == len(ALL)


def test_every_reason_of_the_trainer_is_in_the_table() -> None:
    secondary = {ExitCode.COMPLETE, ExitCode.PEER_LOST}
    words = [
        *(phase.value for phase in Phase),
        *("".join(p.capitalize() for p in c.name.split("_")) for c in ExitCode if c not in secondary),
    ]
    assert [word for word in words if find_reason(word) is None] == []


def test_the_narrower_reasons_of_the_trainer_are_in_its_table() -> None:
    assert set(map(str, ErrorReason)) <= set(map(str, TrainerReason))


def test_every_reason_that_the_operator_gives_for_an_end_is_in_the_table() -> None:
    by_code = [reason for _, reason in EXIT_CODES.values()]
    words = [*POD_REASONS, *DISRUPTIONS.values(), *OPERATOR_DECISIONS, *NODE_REASONS, *by_code, exit_code_reason(3)]
    assert [word for word in words if find_reason(word) is None] == []


def test_reasons_are_members_of_the_enums_and_stand_nowhere_else_as_literals() -> None:
    package = Path(lwm_operator.__file__).parent
    values = {str(reason) for reason in ALL}
    literals: dict[str, set[str]] = {}
    for path in sorted(path for folder in ("cluster", "controller", "manifests", "plan") for path in (package / folder).rglob("*.py")):
        if path.parent.name != "reasons" and (equal := values & set(_literals(path))):
            literals[path.relative_to(package).as_posix()] = equal
    assert literals == WORDS_OF_KUBERNETES


def _literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_pending_reason_can_occur() -> None:
    narrower = [reason for pairs in BY_MESSAGE.values() for _, reason in pairs]
    otherwise = [
        PendingReason.QUEUED,
        PendingReason.CONTAINER_ERROR,
        PendingReason.PODS_REJECTED,
        PendingReason.PODS_MISSING,
        PendingReason.SCHEDULING,
    ]
    assert {*BY_REASON.values(), *narrower, *otherwise} == set(PendingReason)


def test_reasons_with_a_part_that_varies_are_found_and_unknown_words_are_not() -> None:
    assert find_reason("ExitCode3") == "ExitCodeN"
    assert find_reason("OutOfcpu") == "OutOfN"
    assert find_reason("Whatever") is None


def test_the_committed_page_is_that_of_the_code() -> None:
    assert __main__.difference() == ""
    assert __main__.main(["--check"]) == 0
    text = (__main__.ROOT / "docs" / "reasons.md").read_text()
    assert [str(reason) for reason in ALL if f"| `{reason}` |" not in text] == []


def test_a_changed_page_is_found_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    assert __main__.main(["--check"]) == 1
    assert __main__.main([]) == 0
    assert __main__.main(["--check"]) == 0
    (tmp_path / "docs" / "reasons.md").write_text("# Reasons\n")
    assert "+## Before the pods run" in __main__.difference()


def test_the_table_imports_nothing_but_the_standard_library() -> None:
    lines = [line for path in Path(reasons.__file__).parent.glob("*.py") for line in path.read_text().splitlines()]
    modules = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert {module for module in modules if not module.startswith("lwm_operator.plan.reasons")} == {"enum", "re", "typing"}
