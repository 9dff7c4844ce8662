"""Text for people: numbers and durations, and how long a message may be."""

MAX_MESSAGE_LENGTH = 1000
"""Characters of a message that is assembled for the status; the API admits 1024."""


def count(value: float) -> str:
    """`950`, `4.2k`, `1.3M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}" if value < 10 * limit else f"{value / limit:.0f}{unit}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """`45s`, `12m`, `3h20m`, `2d4h`: rounded, so that it does not change with every reconcile."""
    if seconds < 60:
        return f"{max(5, round(seconds / 5) * 5)}s"
    if seconds < 3600:
        return f"{round(seconds / 60)}m"
    if seconds < 86400:
        return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60)}m"
    return f"{int(seconds // 86400)}d{int(seconds % 86400 // 3600)}h"
