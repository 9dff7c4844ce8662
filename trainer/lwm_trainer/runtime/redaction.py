"""Removes secrets from what this process says, because that ends up in the training's status, in Events and in logs."""

import os
import re

from lwm_trainer.config import HIDDEN_VARIABLES

FEWEST_CHARACTERS = 6
"""A shorter value, or line of a value, is not redacted: without every `true` or `1` no sentence could be read."""
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@]+@")
"""User and password of an address such as `http://user:password@proxy:3128`."""


def redact(text: str) -> str:
    """The text with `…` for the value of every variable that comes from a Secret, and for users in addresses."""
    names = os.environ.get(HIDDEN_VARIABLES, "").split(",")
    secrets = {line.strip() for name in names for line in os.environ.get(name, "").splitlines()}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= FEWEST_CHARACTERS:
            text = text.replace(secret, "…")
    return _USER_IN_ADDRESS.sub("…@", text)
