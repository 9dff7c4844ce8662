"""Which licences may come along."""

import pytest

from tools.release.licences import Licensed, installed_with


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("BSD License", True),
        ("MPL-2.0 AND MIT", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("LGPL-3.0-or-later", True),
        ("AGPL-3.0-only", False),
        ("MIT, GPLv3", False),
        ("GNU General Public License v2 (GPLv2), MIT", False),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-2.0-only", False),
        ("Google Cloud Platform Terms of Service", False),
        ("", False),
    ],
)
def test_a_licence_is_allowed_or_not(licence: str, allowed: bool) -> None:
    assert Licensed("some", "1.0", licence).is_allowed == allowed


def test_the_dependencies_of_dependencies_are_listed_and_extras_decide() -> None:
    base = {each.name for each in installed_with("lwm-operator", ())}
    operator = {each.name for each in installed_with("lwm-operator", ("operator",))}
    assert {"pydantic", "pydantic-core", "pyyaml"} <= base
    assert "kopf" in operator - base
    assert not {"jax", "pytest", "lwm-operator"} & operator
