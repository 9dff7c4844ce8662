"""Suites of texts by their names, made from values that a file or a gate gives."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from lwm_trainer.evaluation.haystack import Texts
from lwm_trainer.evaluation.suite import Suite, Tokenize
from lwm_trainer.evaluation.suites.babilong import BabilongSettings, BabilongSuite
from lwm_trainer.evaluation.suites.graphwalks import GraphwalksSettings, GraphwalksSuite
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from lwm_trainer.evaluation.suites.mrcr import MrcrSettings, MrcrSuite
from lwm_trainer.evaluation.suites.multi_needle import MultiNeedleSettings, MultiNeedleSuite
from lwm_trainer.evaluation.suites.needle import NeedleSettings, NeedleSuite
from lwm_trainer.evaluation.suites.ruler.suite import RulerSettings, RulerSuite


class SuiteKind(NamedTuple):
    """How a suite is made."""

    settings: type
    make: Callable[[Any, Texts, Tokenize], Suite]
    """The settings, the texts of the haystack, and the tokenizer to the suite."""


SUITES = {
    "needle": SuiteKind(NeedleSettings, NeedleSuite),
    "multi-needle": SuiteKind(MultiNeedleSettings, MultiNeedleSuite),
    "json-kv": SuiteKind(JsonKvSettings, lambda settings, _, tokenize: JsonKvSuite(settings, tokenize)),
    "mrcr": SuiteKind(MrcrSettings, lambda settings, _, tokenize: MrcrSuite(settings, tokenize)),
    "ruler": SuiteKind(RulerSettings, lambda settings, texts, tokenize: RulerSuite(settings, texts, [], tokenize)),
    "graphwalks": SuiteKind(GraphwalksSettings, lambda settings, _, tokenize: GraphwalksSuite(settings, tokenize)),
    "babilong": SuiteKind(BabilongSettings, BabilongSuite),
}
"""All that ask about texts. RULER's `qa` is not among its tasks here, because it needs a file of questions."""


def make_suite(name: str, values: Mapping[str, Any], texts: Texts, tokenize: Tokenize) -> Suite:
    """The suite of a name. Of `values`, its settings take those of their own names. Raises SuiteError."""
    kind = SUITES[name]
    names = {field.name for field in fields(kind.settings)}
    return kind.make(kind.settings(**{key: value for key, value in values.items() if key in names}), texts, tokenize)
