"""Quantities as Kubernetes reads them, and what is said about those that are none."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import parse_quantity as clients_parse_quantity

from lwm_operator.api.quantity import QUANTITY_PATTERN, parse_quantity, quantity_error


@given(
    number=st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,6})?", fullmatch=True),
    unit=st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
)
def test_a_quantity_is_the_number_that_the_kubernetes_client_reads(number: str, unit: str) -> None:
    parsed = parse_quantity(number + unit)
    assert parsed is not None
    assert Decimal(parsed.numerator) / Decimal(parsed.denominator) == clients_parse_quantity(number + unit)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("text", "number"),
    [(8, 8), (0, 0), ("+5", 5), ("1.", 1), (".5", Fraction(1, 2)), ("1E", 10**18), ("1E3", 1000), ("2e-3", Fraction(2, 1000))],
)
def test_other_forms_are_read_as_the_api_server_reads_them(text: int | str, number: Fraction) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("16GB", '"16GB" is no quantity: use 16G or 16Gi'),
        ("16gb", "use 16G or 16Gi"),
        ("1.5g", "use 1.5G or 1.5Gi"),
        ("16GiB", "use 16Gi"),
        ("16 Gi", "use 16Gi"),
        ("4KB", "use 4k or 4Ki"),
        ("1.5.2", "such as 500m, 16G or 16Gi"),
        ("1,5", "such as 500m"),
        ("", '"" is no quantity'),
        ("16Gi\n", "use 16Gi"),
        ("1e999999999", "is no quantity"),
        (-1, "-1 is negative: use 0 or more"),
        ("-2Gi", "-2Gi is negative"),
    ],
)
def test_what_is_no_quantity_is_refused_with_what_was_probably_meant(value: int | str, words: str) -> None:
    assert parse_quantity(value) is None
    assert words in (quantity_error(value) or "")


@given(st.text(alphabet="0123456789.+-eEinumkKMGTPB ", max_size=8))
def test_the_pattern_of_the_crd_admits_exactly_what_is_parsed(text: str) -> None:
    assert (re.fullmatch(QUANTITY_PATTERN, text) is not None) == (parse_quantity(text) is not None) == (quantity_error(text) is None)
