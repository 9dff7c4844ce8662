"""The chart's README has each value with what stands above it."""

import yaml

from tools.docs.chart_values import Value, page, values
from tools.operator_chart import CHART

TEXT = """\
# Two lines
# of text.
image:
  # The tag.
  tag: ""
  size: {x: 1}

# Not of the next key.

replicas: 1
empty:
"""


def test_a_value_has_the_comment_right_above_it_and_its_default() -> None:
    assert list(values(TEXT)) == [
        Value("image", "", "Two lines of text."),
        Value("image.tag", '""', "The tag."),
        Value("image.size", '{"x": 1}', ""),
        Value("replicas", "1", ""),
        Value("empty", "null", ""),
    ]


def test_every_value_of_the_chart_has_a_row() -> None:
    rows = page().splitlines()
    for name in yaml.safe_load((CHART / "values.yaml").read_text()):
        assert any(row.startswith((f"| `{name}` |", f"| `{name}.")) for row in rows), name
