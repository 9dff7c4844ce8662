from lwm_operator.api.crd import crd
from lwm_operator.api.dataset import FIXED_FIELDS, Dataset


def test_status_has_no_defaults() -> None:
    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert "default" not in str(schema["status"])
    assert schema["spec"]["properties"]["stages"]["items"]["properties"]["mesh"]["properties"]["tp"]["default"] == 1


def test_every_field_of_a_data_set_is_fixed_but_its_key_and_what_accepts_a_change() -> None:
    names = {field.alias for field in Dataset.model_fields.values()}
    assert names - set(FIXED_FIELDS) == {"name", "acceptChangeTo"}


def test_every_list_map_and_string_of_the_spec_is_bounded() -> None:
    def unbounded(node: dict[str, object], path: str) -> list[str]:
        paths = []
        if node.get("type") == "string" and not ({"maxLength", "enum", "format"} & set(node)):
            paths.append(path)
        if node.get("type") == "array":
            paths += [] if "maxItems" in node else [path]
            paths += unbounded(node["items"], f"{path}[]")  # type: ignore[arg-type]
        if isinstance(node.get("additionalProperties"), dict):
            paths += [] if "maxProperties" in node else [path]
            paths += unbounded(node["additionalProperties"], f"{path}.*")  # type: ignore[arg-type]
        for name, child in node.get("properties", {}).items():  # type: ignore[attr-defined]
            paths += unbounded(child, f"{path}.{name}")
        return paths

    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert unbounded(schema["spec"], "spec") == []
    assert unbounded(schema["status"], "status") == []
