import click
import pytest

from lwm_cli.evaluate.options import parse_lengths, parse_names
from lwm_trainer.evaluation.suite import even_depths


def test_lengths_are_read_strictly() -> None:
    assert parse_lengths("4096, 1024,1024") == (1024, 4096)
    for wrong in ("", "0", "1k", "-5"):
        with pytest.raises(click.UsageError, match="write numbers of tokens"):
            parse_lengths(wrong)


def test_names_come_once_and_depths_are_even() -> None:
    assert parse_names("a, b,a") == ("a", "b")
    assert even_depths(1) == (0.5,)
    assert even_depths(3) == (0.0, 0.5, 1.0)
