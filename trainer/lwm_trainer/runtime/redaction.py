"""What this process knows and must not tell: what it says ends up in the training's status, in Events and in logs."""

import os
import re

from lwm_trainer.config import HIDDEN_VARIABLES

SHORTEST = 6
"""Characters of a value, or of a line of one, that is hidden: hiding `true` or `1` would leave no sentence whole."""
_USER = re.compile(r"(?<=://)[^\s/@]+@")
"""Of an address with a user, and mostly a password: `http://user:password@proxy:3128`."""


def hidden(text: str) -> str:
    """The text with `…` for the value of every variable that comes from a Secret, and for users in addresses."""
    names = os.environ.get(HIDDEN_VARIABLES, "").split(",")
    parts = {line.strip() for name in names for line in os.environ.get(name, "").splitlines()}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST:
            text = text.replace(part, "…")
    return _USER.sub("…@", text)
