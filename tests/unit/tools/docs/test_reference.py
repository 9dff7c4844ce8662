import re
from collections.abc import Iterator

import pytest

from lwm_operator.api.crd import crd
from lwm_operator.api.rules import VALIDATIONS
from tools.docs import reference
from tools.docs.reference import Schema

SCHEMA: Schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
PAGE = reference.page()


def fields(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The field and all fields below it, including those that the page leaves out."""
    yield path, schema
    for name, child in schema.get("items", schema).get("properties", {}).items():
        yield from fields(f"{path}{'[]' if 'items' in schema else ''}.{name}", child)


FIELDS = dict(pair for name in ("spec", "status") for pair in fields(name, SCHEMA["properties"][name]))


def section(path: str) -> str:
    """The text between the heading of `path` and the next heading."""
    match = re.search(rf"^#+ `{re.escape(path)}`\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"no section for {path}"
    return match[1]


def row(path: str, field: str) -> list[str]:
    """The cells of a field's row after the field name. A cell may contain an escaped bar."""
    lines = [line for line in section(path).splitlines() if line.startswith(f"| `{field}` |")]
    assert len(lines) == 1, f"{len(lines)} rows for {path}.{field}"
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", lines[0])[2:-1]]


def anchors() -> list[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_every_field_of_spec_and_status_has_a_description() -> None:
    assert len(FIELDS) > 200
    assert [path for path, schema in FIELDS.items() if not schema.get("description")] == []


FOREIGN_NAMES = {"chat_template", "strftime_now", "tokenizer_config"}
"""Names of transformers with an underscore. No field of ours has one of them."""


def test_no_description_calls_a_field_by_its_name_in_python() -> None:
    python_names = {path: set(re.findall(r"\b[a-z]+_[a-z_]+\b", schema["description"])) - FOREIGN_NAMES for path, schema in FIELDS.items()}
    assert {path: names for path, names in python_names.items() if names} == {}


def test_every_object_has_a_section_or_leads_to_that_of_its_equal() -> None:
    by_path = reference.sections(SCHEMA)
    for path, schema in FIELDS.items():
        item = schema.get("items", schema)
        if "properties" not in item:
            continue
        section_path = f"{path}[]" if "items" in schema else path
        if section_path in by_path:
            assert section(section_path)
            continue
        assert any(
            item["properties"] == known["properties"] and item.get(VALIDATIONS) == known.get(VALIDATIONS) for known in by_path.values()
        )


@pytest.mark.parametrize(
    ("path", "field", "anchor"),
    [
        ("spec.stages[]", "accelerator", "specaccelerator"),
        ("spec.checkpoint", "pvc", "spectokenizerpvc"),
        ("spec.podTemplate.env[].valueFrom", "configMapKeyRef", "specpodtemplateenvvaluefromsecretkeyref"),
    ],
)
def test_an_object_that_repeats_is_described_once(path: str, field: str, anchor: str) -> None:
    assert row(path, field)[0] == f"[object](#{anchor})"
    assert f"`{path}.{field}`\n" not in PAGE


def test_objects_that_differ_in_a_rule_are_both_described() -> None:
    assert "tokenizer cannot change" in section("spec.tokenizer")
    assert "cannot change" not in section("spec.model.initFrom")


def test_every_link_leads_to_one_heading() -> None:
    links = set(re.findall(r"\]\(#([^)]*)\)", PAGE))
    assert len(set(anchors())) == len(anchors())
    assert links - set(anchors()) == set()
    assert "specstagesmesh" in links


def test_the_contents_name_every_section_in_the_order_of_the_page() -> None:
    contents = PAGE.split("## Contents\n")[1].split("\n## ")[0]
    assert re.findall(r"\[`([^`]*)`\]", contents) == re.findall(r"^#+ `(.*)`$", PAGE, re.MULTILINE)


def test_a_list_of_objects_is_followed_by_its_section() -> None:
    assert row("spec", "stages")[0] == "list of [objects](#specstages), by `name`"
    assert PAGE.index("## `spec`") < PAGE.index("### `spec.stages[]`") < PAGE.index("#### `spec.stages[].mesh`")
    assert row("status.stages[]", "recentAttempts")[0] == "list of [objects](#statusstagesrecentattempts)"
    assert row("status.stages[].recentAttempts[]", "avoidedNodes")[0] == "list of string"


@pytest.mark.parametrize(
    ("path", "field", "type_", "default", "bounds"),
    [
        ("spec", "seed", "integer", "`0`", "0 to 2,147,483,647"),
        ("spec.model", "layers", "integer", "*required*", "1 to 512"),
        ("spec.model", "normEpsilon", "number", "`1e-05`", "> 0, < 1"),
        ("spec.datasets[]", "onBadRecord", "`fail` \\| `skip`", '`"fail"`', ""),
        ("spec.stages[]", "ropeTheta", "number", "`10000.0`", "> 1, ≤ 1,000,000,000,000"),
        ("spec.stages[]", "tokens", "integer", "", "8 to 1,000,000,000,000,000"),
        ("spec.datasets[]", "fields", "string", '`"text"`', "1 to 1,024 characters"),
        ("spec.accelerator.gpu", "sharedMemory", "quantity", '`"16Gi"`', ""),
        ("spec.accelerator.gpu", "rdma", "map of quantity", "", "at most 8 entries"),
    ],
)
def test_type_default_and_bounds_are_those_of_the_model(path: str, field: str, type_: str, default: str, bounds: str) -> None:
    shown_type, shown_default, _, shown_bounds = row(path, field)
    assert (shown_type, shown_default, shown_bounds) == (type_, default, bounds)


def test_a_pattern_does_not_break_the_table() -> None:
    assert row("spec.datasets[]", "name")[-1] == "1 to 32 characters, `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`"
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_a_column_that_would_be_empty_is_left_out() -> None:
    assert section("status.stages[].failures").strip().splitlines()[2] == "| field | type | meaning |"
    assert "required" not in "".join(section(path) for path in reference.sections(SCHEMA) if path.startswith("status"))
    assert row("status.nodeFaults[]", "at")[0] == "time"


def test_rules_stand_under_the_part_that_they_guard() -> None:
    assert "- give exactly one of steps and tokens\n" in section("spec.stages[]")
    assert "- kvHeads must divide heads: use a divisor of heads\n" in section("spec.model")
    assert "- seed cannot change after creation" in section("spec")
    assert "- nccl: names must begin with NCCL_" in section("spec.accelerator.gpu")
    assert "metadata.name must be at most 40 characters" in PAGE.split("## Rules for the whole object\n")[1].split("\n## ")[0]


def test_no_rule_is_left_out() -> None:
    messages = {rule["message"] for schema in (SCHEMA, *FIELDS.values()) for rule in schema.get(VALIDATIONS, ())}
    messages |= {rule["message"] for schema in FIELDS.values() for rule in schema.get("items", {}).get(VALIDATIONS, ())}
    assert len(messages) > 20
    assert sorted(message for message in messages if message not in PAGE) == []


def test_a_rule_of_a_field_names_the_field() -> None:
    guarded = {**SCHEMA["properties"]["spec"]["properties"]["seed"], VALIDATIONS: [{"rule": "self > 0", "message": "must be odd"}]}
    assert "- seed: must be odd\n" in "\n".join(reference._rules({}, guarded, of=("", "seed")))
