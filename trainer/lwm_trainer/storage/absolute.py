"""Addresses as a user of a command line writes them."""

import os


def absolute_uri(text: str) -> str:
    """A path as an absolute one, because Orbax takes no relative ones, or a `gs://…` address as it is."""
    return text if "://" in text else os.path.abspath(text)  # noqa: PTH100 - the path may not exist yet
