"""What process 0 of a server tells the others, as bytes: every process must start the same programs in the same order."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

import numpy as np

from lwm_trainer.sampling.prompt import TokenRow
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings

Name = Literal["join", "advance", "cancel", "start_anew", "end"]


class Command(NamedTuple):
    """A call of `RunningBatch` or `Generator` by its name, with its arguments; `end`: nothing follows."""

    name: Name
    requests: Sequence[Request] = ()
    top: int = 0
    number: int = 0

    def encode(self) -> bytes:
        header = {
            "name": self.name,
            "top": self.top,
            "number": self.number,
            "settings": [asdict(request.settings) for request in self.requests],
        }
        arrays: dict[str, Any] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
        for number, request in enumerate(self.requests):
            arrays |= {f"tokens{number}": request.prompt.tokens, f"vision{number}": request.prompt.vision}
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()


def decode(message: bytes) -> Command:
    """The command that `Command.encode` wrote."""
    with np.load(io.BytesIO(message), allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        prompts = [TokenRow(arrays[f"tokens{number}"], arrays[f"vision{number}"]) for number in range(len(header["settings"]))]
    requests = [Request(prompt, _settings(fields)) for prompt, fields in zip(prompts, header["settings"], strict=True)]
    return Command(header["name"], requests, header["top"], header["number"])


def _settings(fields: dict[str, Any]) -> Settings:
    filters = {name: Filters(**fields[name]) for name in ("text", "vision")}
    return Settings(**{**fields, **filters, "stop": tuple(fields["stop"]), "stop_ids": tuple(fields["stop_ids"])})
