"""The part of an LWMTraining that begins with converted parameters, as YAML to be pasted."""

import json
from typing import Any

from lwm_trainer.config import Model


def spec_block(folder: str, model: Model) -> str:
    """`spec.model` of a training that starts from the step folder."""
    fields: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_defaults=True, exclude_none=True)
    if model.vision is not None:
        fields["vision"] = model.vision.model_dump(by_alias=True, mode="json", exclude_none=True)
    lines = [f"    {name}: {_inline(value)}" for name, value in fields.items()]
    return "\n".join(["spec:", "  model:", f"    initFrom: {{uri: {json.dumps(folder)}}}", *lines])


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_inline(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)
