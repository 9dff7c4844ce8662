"""The gate at the end of a stage: suites are asked by the stage's own gang, and scores and losses are compared with its bounds.

Every process asks the same questions in the same order, because each computes a part of every answer. So all of them know the scores, and
come to the same end.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from lwm_trainer import config
from lwm_trainer.config import GateSuite, Phase, SuiteScore, ValidationLoss
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataMissingError
from lwm_trainer.evaluation.ask import make_ask, tokenizer_of
from lwm_trainer.evaluation.haystack import open_texts
from lwm_trainer.evaluation.heat_map import HEAT_MAP, draw_heat_map
from lwm_trainer.evaluation.results import RESULTS, cells, overall, results
from lwm_trainer.evaluation.run_suite import Answer, run_suite
from lwm_trainer.evaluation.suite import Question, Suite, SuiteError, Tokenize, even_depths
from lwm_trainer.evaluation.suites.by_name import make_suite
from lwm_trainer.model.llama import Params
from lwm_trainer.runtime import console
from lwm_trainer.runtime.errors import GateFailedError
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.sampling.load import generator_of
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from lwm_trainer.storage.folder import folder
from lwm_trainer.validate import mean_loss

EVALS = "evals"
"""The folder of results, beside the final checkpoint."""


class GateSuites:
    """The suites of a stage's gate. Their questions are made before the first step, so that none is missing after the last one."""

    def __init__(self, run: config.RunConfig, tokenizer: Tokenizer) -> None:
        """Raises DataMissingError, which names the suite, where there is too little text or room, and what reading the texts raises."""
        self._run, self._tokenizer = run, tokenizer
        self.suites: list[tuple[GateSuite, Suite]] = []
        """What is asked; none where the gate is waived."""
        self.results: list[tuple[str, dict[str, Any]]] = []
        """The place and the content of each file of results, on process 0."""
        wanted = run.gate.suites if run.gate is not None and not run.start.gate_waived else ()
        for number, each in enumerate(wanted):
            try:
                suite = _make_suite(each, tokenizer_of(self._vocabulary()))
                for key in suite.question_keys():
                    suite.question(key)
            except SuiteError as error:
                message = str(error).replace("--haystack-field", "fields").replace("--", "")
                raise DataMissingError(f"gate.suites[{number}], {each.suite}: {message}") from error
            self.suites.append((each, suite))

    def ask(
        self,
        device_mesh: jax.sharding.Mesh,
        params: Params,
        checkpoint: str,
        tracker: PhaseTracker,
        report: Callable[[tuple[SuiteScore, ...]], None] | None = None,
    ) -> tuple[SuiteScore, ...]:
        """Ask all questions, and write what came of each suite beside the checkpoint of this attempt.

        Args:
            params: those of the training; their arrays are deleted.
            checkpoint: the folder of the same parameters, which the results name.
            report: called after each suite with all scores so far.
        """
        run, scores = self._run, list[SuiteScore]()
        generator = generator_of(run.model, run.rope_theta, params, device_mesh, self._vocabulary(), run.context_length, run.precision)
        for number, (wanted, suite) in enumerate(self.suites, start=1):
            answer = make_ask(generator, suite, wanted.answers)

            def ask(question: Question, answer: Callable[[Question], str] = answer) -> str:
                with tracker.during(Phase.EVALUATING):
                    return answer(question)

            with tempfile.TemporaryDirectory() as temporary:
                answers_file = Path(temporary) / "answers.jsonl"
                answers = list(run_suite(suite, checkpoint, wanted.answers, ask, answers_file))
                if jax.process_index() == 0:
                    place = f"{run.attempt_folder()}/{EVALS}/{number}-{suite.name}"
                    self.results.append((place, results(suite, checkpoint, wanted.answers, answers)))
                    _write(place, wanted, suite, checkpoint, answers, answers_file, self.results[-1][1])
            scores.append(suite_score(wanted, answers))
            if jax.process_index() == 0:
                console.say(f"gate: {describe(scores[-1])}")
            if report is not None:
                report(tuple(scores))
        return tuple(scores)

    def _vocabulary(self) -> Vocabulary:
        vision = self._run.model.vision
        # No suite shows frames, so that their size means nothing here.
        frames = config.Frames() if vision is None else config.Frames(codebook_size=vision.vocab_size - 2)
        return make_vocabulary(self._run.model, self._tokenizer, frames)


def _make_suite(wanted: GateSuite, tokenize: Tokenize) -> Suite:
    values: dict[str, Any] = {"lengths": wanted.lengths, "seed": wanted.seed}
    values |= {name: value for name in ("rounds", "samples", "tasks") if (value := getattr(wanted, name)) is not None}
    if wanted.depths is not None:
        values["depths"] = even_depths(wanted.depths)
    if wanted.haystack is None:
        return make_suite(wanted.suite, values, _no_texts, tokenize)
    uri, field = wanted.haystack.uri, wanted.haystack.field
    return make_suite(wanted.suite, {**values, "haystack": uri, "haystack_field": field}, open_texts(uri, field), tokenize)


def _no_texts() -> Iterator[str]:
    raise SuiteError("haystack is missing: name a data set of texts")


def _write(
    uri: str, wanted: GateSuite, suite: Suite, checkpoint: str, answers: Sequence[Answer], lines: Path, fields: dict[str, Any]
) -> None:
    place, title = folder(uri), f"{suite.name}, {wanted.answers}, {Path(checkpoint).name} steps"
    place.write(lines.name, lines.read_bytes())
    place.write(HEAT_MAP, draw_heat_map(cells(answers, by_depth=True), title).encode())
    place.write(RESULTS, (json.dumps(fields, indent=1) + "\n").encode())


def suite_score(wanted: GateSuite, answers: Sequence[Answer]) -> SuiteScore:
    """The mean over all questions, with its interval; numbers are rounded, because reports are short."""
    score, low, high = (round(value, 4) for value in overall(answers))
    return SuiteScore(suite=wanted.suite, score=score, low=low, high=high, questions=len(answers), min_score=wanted.min_score)


def describe(score: SuiteScore) -> str:
    """The score beside the gate's bound."""
    comparison = "reaches" if score.passed else "is below"
    interval = f"95 % interval {score.low:.3f} to {score.high:.3f}"
    return f"{score.suite} score {score.score:.3f} of {score.questions} questions ({interval}) {comparison} minScore {score.min_score:g}"


def require_gate(run: config.RunConfig, losses: Sequence[ValidationLoss], scores: Sequence[SuiteScore]) -> None:
    """Compare the losses of the last validation, and the scores, with the gate. Raises GateFailedError, which names all that fails."""
    if run.gate is None or run.start.gate_waived:
        return
    problems = []
    if (most := run.gate.max_validation_loss) is not None and not (loss := mean_loss(losses)) <= most:
        each = ", ".join(f"{each.dataset} {each.modality} {each.loss:.4f}" for each in losses)
        problems.append(f"validation loss {loss:.4f} is above gate.maxValidationLoss {most:g} ({each})")
    problems += [f"gate.suites: {describe(score)}" for score in scores if not score.passed]
    if problems:
        raise GateFailedError("; ".join(problems), step=run.steps)
