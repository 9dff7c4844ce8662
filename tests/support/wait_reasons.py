"""Many trainings, each with its own difficulty, side by side: what their status says, and how soon."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client

SECONDS = 30.0
"""No wait without its reason for longer."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A training's name, what is done to its spec, and what its status has to say: the reason, and words of the message."""

    name: str
    reason: str
    words: Sequence[str]
    changes: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""


@dataclass(kw_only=True)
class Seen:
    """What `status.reason` and `status.message` said, newest last; `seconds` until the case was told, None while it is not."""

    lines: list[str] = field(default_factory=list)
    seconds: float | None = None


async def watch(client: Client, cases: Sequence[Case], seconds: float = SECONDS) -> dict[str, Seen]:
    """Asks for all trainings of the cases' namespaces again and again, until each has told its cause or the time is over."""
    seen, start = {case.name: Seen() for case in cases}, time.monotonic()
    while (passed := time.monotonic() - start) < seconds and any(each.seconds is None for each in seen.values()):
        for namespace in {case.namespace for case in cases}:
            bodies = {body["metadata"]["name"]: body for body in await client.list(paths.collection(names.KIND, namespace))}
            for case in cases:
                if case.namespace == namespace and case.name in bodies:
                    _note(seen[case.name], case, bodies[case.name], passed)
        await asyncio.sleep(0.3)
    return seen


def _note(seen: Seen, case: Case, body: Body, passed: float) -> None:
    status = body.get("status") or {}
    reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    if (line := f"{reason}: {message}") not in seen.lines:
        seen.lines.append(line)
    if seen.seconds is None and reason == case.reason and all(word in message for word in case.words):
        seen.seconds = passed


def assert_explained(seen: Seen, case: Case) -> None:
    """Fails with all that was said instead."""
    wanted = f"{case.name}: wanted {case.reason} with {list(case.words)}"
    assert seen.seconds is not None, f"{wanted} within {SECONDS:.0f} s, seen:\n" + "\n".join(seen.lines)
