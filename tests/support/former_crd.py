"""CRDs of a kind of its own: with the former names of fields, then with the present ones. The real CRD serves other tests meanwhile."""

from collections.abc import Iterator
from typing import Any

from lwm_operator.api.crd import crd
from lwm_operator.api.former_names import FORMER_FIELDS, FORMER_REMAT

PLURAL, KIND = "formertrainings", "FormerTraining"

Schema = dict[str, Any]


def present_crd(group: str) -> dict[str, Any]:
    """The CRD of this version, for objects of `KIND` in `group`."""
    body = crd()
    body["metadata"]["name"] = f"{PLURAL}.{group}"
    names = {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower()}
    body["spec"] |= {"group": group, "names": names}
    return body


def former_crd(group: str) -> dict[str, Any]:
    """The same with the names of contract version 1, and without CEL rules, which speak of present names."""
    body = present_crd(group)
    (version,) = body["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"] = _without_rules(version["schema"]["openAPIV3Schema"])
    spec = schema["properties"]["spec"]
    for path, present in FORMER_FIELDS.items():
        *parents, former = path.split(".")
        chain = list(_chain(spec, parents))
        fields = chain[-1]["properties"]
        fields[former] = fields.pop(present)
        for depth, node in enumerate(chain):
            _rename_default(node.get("default"), parents[depth:], present, former)
    remat = spec["properties"]["stages"]["items"]["properties"]["memory"]["properties"]["remat"]
    former_values = {present: former for former, present in FORMER_REMAT.items()}
    remat["enum"] = [former_values.get(value, value) for value in remat["enum"]]
    return body


def _chain(node: Schema, parents: list[str]) -> Iterator[Schema]:
    """The schemas from `node` down to the last of the parents; of a list, that of its items."""
    yield node
    for part in parents:
        node = node["properties"][part.removesuffix("[]")]
        node = node["items"] if part.endswith("[]") else node
        yield node


def _rename_default(default: Any, parents: list[str], present: str, former: str) -> None:
    for part in parents:
        default = default.get(part) if isinstance(default, dict) else None
    if isinstance(default, dict) and present in default:
        default[former] = default.pop(present)


def _without_rules(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_rules(value) for key, value in node.items() if key != "x-kubernetes-validations"}
    return [_without_rules(value) for value in node] if isinstance(node, list) else node
