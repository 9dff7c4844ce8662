"""What each suite of `lwm eval` does: its options become its settings."""

from pathlib import Path
from typing import Any

from lwm_cli.evaluate.evaluation import evaluate
from lwm_cli.evaluate.options import take_settings, take_settings_and_texts
from lwm_trainer.evaluation.ask import tokenizer_of
from lwm_trainer.evaluation.suite import Way
from lwm_trainer.evaluation.suites.babilong import BabilongSettings, BabilongSuite
from lwm_trainer.evaluation.suites.graphwalks import GraphwalksSettings, GraphwalksSuite
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from lwm_trainer.evaluation.suites.mrcr import MrcrSettings, MrcrSuite
from lwm_trainer.evaluation.suites.multi_needle import MultiNeedleSettings, MultiNeedleSuite
from lwm_trainer.evaluation.suites.needle import NeedleSettings, NeedleSuite
from lwm_trainer.evaluation.suites.ruler.documents import read_entries
from lwm_trainer.evaluation.suites.ruler.suite import RulerSettings, RulerSuite


def evaluate_needle(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    settings, texts = take_settings_and_texts(NeedleSettings, options)
    return evaluate(lambda vocabulary: NeedleSuite(settings, texts, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


def evaluate_multi_needle(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    settings, texts = take_settings_and_texts(MultiNeedleSettings, options)
    return evaluate(lambda vocabulary: MultiNeedleSuite(settings, texts, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


def evaluate_json_kv(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    settings = take_settings(JsonKvSettings, options)
    return evaluate(lambda vocabulary: JsonKvSuite(settings, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


def evaluate_mrcr(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    settings = take_settings(MrcrSettings, options)
    return evaluate(lambda vocabulary: MrcrSuite(settings, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


def evaluate_ruler(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    if options["tasks"] is None:
        del options["tasks"]
    settings, texts = take_settings_and_texts(RulerSettings, options)
    entries = read_entries(Path(settings.questions)) if settings.questions else []
    return evaluate(
        lambda vocabulary: RulerSuite(settings, texts, entries, tokenizer_of(vocabulary)), settings.lengths, out, answers, options
    )


def evaluate_graphwalks(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    settings = take_settings(GraphwalksSettings, options)
    return evaluate(lambda vocabulary: GraphwalksSuite(settings, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


def evaluate_babilong(answers: Way, out: Path, **options: Any) -> int:
    """Run the suite. Returns the exit code. Raises what `evaluate` raises."""
    if options["tasks"] is None:
        del options["tasks"]
    settings, texts = take_settings_and_texts(BabilongSettings, options)
    return evaluate(lambda vocabulary: BabilongSuite(settings, texts, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)
