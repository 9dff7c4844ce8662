"""Reads the JSON files of a model: one object, each field once, and numbers that JSON has."""

import json
from typing import Any

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.data.records.unique_keys import DuplicateKeyError, unique_keys


def parse_object(content: bytes, file: object) -> dict[str, Any]:
    """The object in a JSON file. Raises ConversionError, which names the file and the field."""

    def refuse(constant: str) -> Any:
        raise ConversionError(f"{file}: {constant} is not a number of JSON: correct the field that has it")

    try:
        value = json.loads(content, object_pairs_hook=unique_keys, parse_constant=refuse)
    except DuplicateKeyError as error:
        raise ConversionError(f"{file}: {error.key} is given twice: delete the wrong one") from error
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{file}: not JSON: {error}: download it again") from error
    if not isinstance(value, dict):
        raise ConversionError(f"{file}: is JSON, but not an object of fields: take the model's own file")
    return value
