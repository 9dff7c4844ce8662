"""How long each part took, beside the plan for two cores."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

PLANNED_SECONDS = {"cluster": 60.0, "images": 40.0, "chart": 10.0, "stage 1": 91.0, "stage 2": 84.0, "stage 3": 140.0}
"""A stage has 35 s for its start and hand-over, and its steps (56, 49 and 105 s). Uploading and reading back are not in the plan."""

LIMIT_SECONDS = 480.0


class Times:
    """Seconds by part, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - began

    def table(self, *, planned: bool = True) -> str:
        """One line per part: time taken and, for a cluster, planned; the sums at the end."""
        if not planned:
            lines = [f"{name:<10} {minutes(taken):>9}" for name, taken in self.seconds.items()]
            return "\n".join([*lines, f"{'all':<10} {minutes(sum(self.seconds.values())):>9}"])
        lines = [f"{'part':<10} {'took':>9} {'planned':>9}"]
        for name, taken in self.seconds.items():
            plan = PLANNED_SECONDS.get(name)
            lines.append(f"{name:<10} {minutes(taken):>9} {minutes(plan) if plan else '':>9}")
        total, planned_total = sum(self.seconds.values()), sum(PLANNED_SECONDS.values())
        lines.append(
            f"{'all':<10} {minutes(total):>9} {minutes(planned_total):>9}  (limit when everything is built: {minutes(LIMIT_SECONDS)})"
        )
        return "\n".join(lines)


def minutes(seconds: float) -> str:
    """`3:07 min`."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min"
