"""The guide for other people's clusters says what the quickstart knows. Its commands for kind run in tests/e2e."""

import re
import shlex

import pytest

from quickstart.images import image_load_help
from quickstart.options import EXTERNAL_OPTIONS
from tools.image_names import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "guides" / "laptop.md").read_text()
KNOWN = {name.replace("-", "_").upper() for name in EXTERNAL_OPTIONS}
LINES = [
    line
    for text in (GUIDE, (REPOSITORY / "README.md").read_text())
    for line in text.splitlines()
    if re.match(r"make (quickstart|e2e) +CON", line)
]


def test_its_table_holds_every_variable_and_no_other() -> None:
    assert set(re.findall(r"(?m)^\| `([A-Z_]+)` \|", GUIDE)) == KNOWN


@pytest.mark.parametrize("line", LINES)
def test_each_of_its_make_lines_names_known_variables_and_says_how_images_come(line: str) -> None:
    variables = dict(word.split("=", 1) for word in shlex.split(line, comments=True)[2:])
    assert set(variables) <= KNOWN
    assert "$ARCHIVE" in variables["IMAGE_LOAD"] or "$IMAGE" in variables["IMAGE_LOAD"]


@pytest.mark.parametrize("context", ["kind-lwm", "lwm", "k3d-lwm"])
def test_the_error_without_a_hook_gives_the_guides_command(context: str) -> None:
    hooks = [dict(word.split("=", 1) for word in shlex.split(line, comments=True)[2:]) for line in LINES]
    (command,) = {hook["IMAGE_LOAD"] for hook in hooks if hook["CONTEXT"] == context}
    assert f"IMAGE_LOAD='{command}'" in image_load_help(context)
