"""The licences of what an installation brings along, from the metadata of the installed distributions."""

import re
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import NamedTuple, cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ALLOWED = re.compile(
    r"\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python[- ]Software|Python-2\.0|MPL|Mozilla|Zlib|Unlicense|HPND|CNRI|CC0|LGPL|Zope|ZPL|MIT-CMU)",
    re.IGNORECASE,
)
"""Words of licences that may be linked from Apache-2.0 code and shipped in an image beside it."""
REFUSED = re.compile(r"AGPL|Affero|SSPL|(?<![AL])GPL(?!.*exception)|(?<!Lesser )General Public|Proprietary|Commercial", re.IGNORECASE)
EXCEPTIONS = {"libtpu": "Google's own terms: installed with the extras tpu and fit, and in images only if you build them for TPUs"}
"""Distributions without such a licence, and why they may be needed nevertheless."""


class Licensed(NamedTuple):
    """A distribution and its licence in words; empty where its metadata names none."""

    name: str
    version: str
    licence: str

    @property
    def is_allowed(self) -> bool:
        return self.name in EXCEPTIONS or (bool(ALLOWED.search(self.licence)) and not REFUSED.search(self.licence))


def licence_of(about: Distribution) -> str:
    """The SPDX expression; without one the classifiers, and without those the first line of the licence's field."""
    metadata = cast("Message", about.metadata)
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier", []) if each.startswith("License :: ")]
    named = [each for each in classifiers if each != "OSI Approved"]
    return ", ".join(named) or str(metadata.get("License") or "").strip().partition("\n")[0]


def installed_with(name: str, extras: tuple[str, ...]) -> Iterator[Licensed]:
    """The distributions that `name` with these extras needs here, itself left out. One that is not installed is left out, too."""
    todo, seen = [(canonicalize_name(name), frozenset(extras))], set[tuple[str, frozenset[str]]]()
    named: dict[str, Licensed] = {}
    while todo:
        key = todo.pop()
        if key in seen:
            continue
        seen.add(key)
        try:
            about = distribution(key[0])
        except PackageNotFoundError:
            continue
        named[key[0]] = Licensed(key[0], about.version, licence_of(about))
        for text in about.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *key[1])):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    del named[canonicalize_name(name)]
    yield from sorted(named.values())
