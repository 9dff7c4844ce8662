"""A manifest is read as strictly as the API server reads it, and each error names file, line and field."""

from pathlib import Path

import pytest

from lwm_cli.errors import FileError
from lwm_cli.training import load
from support.strict_manifests import GOOD, NOT_KUBECTLS, REFUSED, TEXT, manifest


def refusal(tmp_path: Path, text: str) -> list[str]:
    """The errors without the file's path: line, field, sentence. None if the file is accepted."""
    file = tmp_path / "t.yaml"
    file.write_text(text)
    try:
        load(file)
    except FileError as error:
        return [line.removeprefix(str(file)).lstrip(": ") for line in str(error).splitlines()]
    return []


@pytest.mark.parametrize("name", [*REFUSED, *NOT_KUBECTLS])
def test_what_the_api_server_refuses_is_refused_with_line_and_field(name: str, tmp_path: Path) -> None:
    text, message = (REFUSED | NOT_KUBECTLS)[name]
    [error] = refusal(tmp_path, text)
    assert error.startswith(message)


@pytest.mark.parametrize("name", GOOD)
def test_what_kubectl_reads_is_read(name: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, GOOD[name]) == []


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        (manifest(("batchTokens: 256", "batchTokens: 250")), "13: spec.stages[short].batchTokens: "),
        (TEXT + "  podTemplate:\n    resources:\n      limits:\n        memory: 16GB\n", "17: spec.podTemplate.resources.limits[memory]: "),
        (
            TEXT + "  podTemplate:\n    tolerations:\n    - operator: Exists\n    - {key: a b}\n",
            "17: spec.podTemplate.tolerations[1].key: ",
        ),
        (TEXT.replace("cpu: {hosts: 1}", ""), "11: spec.accelerator.cpu: missing"),
    ],
)
def test_what_the_operator_refuses_is_named_with_its_line(text: str, beginning: str, tmp_path: Path) -> None:
    assert [error for error in refusal(tmp_path, text) if error.startswith(beginning)]


def test_all_errors_are_given_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = manifest(("steps: 3", 'steps: "3", memroy: {remat: layer}'), ("metadata: {", "metadata: {nmae: x, "))
    errors = refusal(tmp_path, text + "  suspend: false\n  suspend: true\n")
    assert [error.split(": ", 2)[1] for error in errors] == ["metadata.nmae", "spec.stages[0].memroy", "spec.stages[0].steps", "spec"]


def test_values_are_those_that_kubectl_sends(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(manifest(("steps: 3", "steps: 0x10, ropeTheta: 1e6"), ("seed: 7", "seed: 010\n  suspend: Yes")))
    spec = load(file).spec
    assert (spec.stages[0].total_steps, spec.stages[0].rope_theta, spec.seed, spec.suspend) == (16, 1e6, 8, True)
