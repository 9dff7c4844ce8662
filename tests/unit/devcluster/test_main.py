import pytest

from devcluster.__main__ import parser, split


@pytest.mark.parametrize(
    ("arguments", "name", "words"),
    [
        (["kubectl", "-n", "x", "get", "pods"], "lwm-test", ["-n", "x", "get", "pods"]),
        (["kubectl", "--name", "lwm-b", "get", "--name=pods"], "lwm-b", ["get", "--name=pods"]),
        (["kubectl", "--name=lwm-b", "--", "exec", "p", "--", "ls", "-l"], "lwm-b", ["exec", "p", "--", "ls", "-l"]),
        (["node-shell", "node2", "ls", "--all"], "lwm-test", ["ls", "--all"]),
        (["node-shell", "--name", "lwm-b", "node1"], "lwm-b", []),
    ],
)
def test_the_other_programs_words_reach_it_untouched(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], name: str, words: list[str]
) -> None:
    monkeypatch.delenv("LWM_CLUSTER", raising=False)
    options = parser().parse_args(split(arguments))
    assert (options.name, options.words) == (name, words)


def test_our_own_commands_are_left_alone() -> None:
    assert split(["up", "--name", "lwm-b"]) == ["up", "--name", "lwm-b"]
