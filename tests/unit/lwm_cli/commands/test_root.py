"""Help of every command, and completion: without the libraries of what the commands do."""

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from lwm_cli.commands.root import lwm
from lwm_trainer.evaluation.suite import Way
from lwm_trainer.evaluation.suites.babilong import TASKS, BabilongSuite
from lwm_trainer.evaluation.suites.graphwalks import GraphwalksSuite
from lwm_trainer.evaluation.suites.json_kv import JsonKvSuite
from lwm_trainer.evaluation.suites.mrcr import MrcrSuite
from lwm_trainer.evaluation.suites.multi_needle import MultiNeedleSuite
from lwm_trainer.evaluation.suites.needle import NeedleSuite
from lwm_trainer.evaluation.suites.ruler.suite import RulerSuite
from lwm_trainer.evaluation.suites.video_needle import VideoNeedleSuite
from lwm_trainer.sampling.chunk_sizes import CHUNK
from lwm_trainer.serving.access import VARIABLE

HELP_OF_ALL = """
import sys
from lwm_cli.__main__ import main
for words in {words!r}:
    try:
        assert main([*words, "--help"]) == 0, words
    except SystemExit as ended:
        assert ended.code == 0, words
heavy = {{"jax", "kubernetes", "kopf", "pydantic", "numpy", "rich", "yaml", "lwm_operator"}}
print("imported:", sorted(heavy & sys.modules.keys()))
"""
TRAINERS = [["convert", "from-hf"], ["convert", "from-lwm"], ["convert", "to-hf"]]
TRAINERS += [["vision", name] for name in ("import", "encode", "decode", "train", "report")]


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command of the group, and of groups in it."""
    for name, command in group.commands.items():
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


def test_help_of_every_command_imports_neither_jax_nor_the_operator_nor_pydantic() -> None:
    words = [[], *map(list, commands(lwm)), *TRAINERS]
    assert len(words) > 30
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL.format(words=words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported: []"
    assert all(f"lwm {' '.join(each)}".rstrip() in done.stdout for each in words)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("lwm eva", {"eval"}), ("lwm data ins", {"inspect"}), ("lwm status --js", {"--json"}), ("lwm eval needle --preset l", {"lwm"})],
)
def test_the_shell_completes_commands_options_and_values(line: str, expected: set[str]) -> None:
    variables = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_LWM_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-m", "lwm_cli"], env=os.environ | variables, capture_output=True, text=True, check=False)
    assert {each.partition(",")[2] for each in done.stdout.splitlines()} == expected


def test_a_closed_pipe_is_no_traceback() -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f"{sys.executable} -m lwm_cli eval needle --help | head -1"], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("Usage: lwm eval needle")
    assert done.stderr == ""


SUITES = {
    "needle": NeedleSuite.ways,
    "multi-needle": MultiNeedleSuite.ways,
    "json-kv": JsonKvSuite.ways,
    "mrcr": MrcrSuite.ways,
    "ruler": RulerSuite.ways,
    "graphwalks": GraphwalksSuite.ways,
    "babilong": BabilongSuite.ways,
    "video-needle": VideoNeedleSuite.ways,
}


@pytest.mark.parametrize(("name", "ways"), SUITES.items())
def test_a_suite_offers_the_ways_in_which_it_can_be_answered(name: str, ways: tuple[Way, ...]) -> None:
    group = lwm.commands["eval"]
    assert isinstance(group, click.Group)
    assert group.commands.keys() == SUITES.keys() | {"perplexity"}
    (answers,) = [option for option in group.commands[name].params if option.name == "answers"]
    assert isinstance(answers.type, click.Choice)
    assert (tuple(answers.type.choices), answers.default) == (ways, ways[0])


def test_help_says_what_the_code_does_with_values_that_it_does_not_import() -> None:
    def help_of(*words: str) -> str:
        command: click.Command = lwm
        for word in words:
            assert isinstance(command, click.Group)
            command = command.commands[word]
        return " ".join(command.get_help(click.Context(command)).split())

    assert VARIABLE in help_of("serve")
    assert f"default: {CHUNK}" in help_of("sample")
    assert f"Default: {','.join(TASKS)}" in help_of("eval", "babilong")
