"""`--set stages[0].steps=10`: changes of a manifest before it is read, so that they are checked as if they stood in the file."""

import re
from dataclasses import dataclass

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from lwm_cli.errors import FileError
from lwm_cli.yaml_nodes import YamlError, documents, value_of

_STEP = re.compile(r"\.?([A-Za-z][A-Za-z0-9]*)|\[([^\]\[]+)\]")


@dataclass(frozen=True)
class Edit:
    """Puts `value`, YAML text, at the path below `spec`. A step in brackets is the number of an item, from 0, or its name."""

    option: str
    steps: tuple[tuple[str, str], ...]
    """Each is a key and "", or "" and the text in brackets."""
    value: str


def parse_edit(text: str) -> Edit:
    """Parse `stages[0].steps=10`. Raises FileError."""
    path, equals, value = text.partition("=")
    path = path.strip().removeprefix("spec.")
    steps = tuple((match[1] or "", match[2] or "") for match in _STEP.finditer(path))
    if not equals or not steps or "".join(match[0] for match in _STEP.finditer(path)) != path:
        raise FileError(f"--set {text}: write PATH=VALUE, such as stages[0].steps=10 or checkpoint.saveIntervalSteps=5")
    return Edit(f"--set {text}", steps, value)


def apply_edit(root: MappingNode, edit: Edit) -> None:
    """Change the object at `root`. Raises FileError for a value that is not YAML, and a list's item that does not exist."""
    try:
        nodes = documents(edit.value)
    except YamlError as error:
        raise FileError(f"{edit.option}: the value is not YAML: {error}") from error
    value = nodes[0] if nodes else ScalarNode("plain", "", _mark(), _mark())
    _forget_lines(value)
    place: Node = root
    path = "spec"
    for number, (key, item) in enumerate((("spec", ""), *edit.steps)):
        last = number == len(edit.steps)
        if key:
            if not isinstance(place, MappingNode):
                raise FileError(f"{edit.option}: {path} is no mapping: it has no {key}")
            place = _in_mapping(place, key, value if last else None)
        else:
            place = _in_list(place, item, value if last else None, f"{edit.option}: {path}")
        path += f".{key}" if key and number else f"[{item}]" if item else ""


def _in_mapping(mapping: MappingNode, key: str, value: Node | None) -> Node:
    """The value at `key`, which is created, or replaced by `value`."""
    for index, (name, old) in enumerate(mapping.value):
        if isinstance(name, ScalarNode) and name.value == key:
            if value is not None:
                mapping.value[index] = (name, value)
            return value or old
    added = value or MappingNode("tag:yaml.org,2002:map", [], _mark(), _mark())
    mapping.value.append((ScalarNode("tag:yaml.org,2002:str", key, _mark(), _mark()), added))
    return added


def _in_list(place: Node, item: str, value: Node | None, where: str) -> Node:
    if not isinstance(place, SequenceNode):
        raise FileError(f"{where} is no list: it has no [{item}]")
    names = [value_of(node, "name") for node in place.value]
    index = int(item) if item.isdigit() else names.index(item) if item in names else len(names)
    if index >= len(names):
        raise FileError(f"{where} has no [{item}]: use a number from 0 to {len(names) - 1}, or one of {', '.join(filter(None, names))}")
    if value is not None:
        place.value[index] = value
    return value or place.value[index]


def _mark() -> yaml.Mark:
    """A place that is in no file: `line_of` gives 0 for it."""
    return yaml.Mark("--set", 0, -1, 0, None, 0)


def _forget_lines(node: Node) -> None:
    node.start_mark = _mark()
    children = [each for pair in node.value for each in pair] if isinstance(node, MappingNode) else node.value
    for child in children if not isinstance(node, ScalarNode) else ():
        _forget_lines(child)
