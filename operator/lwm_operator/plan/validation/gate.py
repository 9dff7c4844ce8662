"""What is wrong with a stage's gate."""

import re
from collections import Counter
from collections.abc import Iterator

from lwm_operator.api.gate import TEXT_SUITES, GateSuite
from lwm_operator.api.spec import Spec
from lwm_operator.api.stage import Stage
from lwm_trainer.config import GATE_ANSWER_TOKENS, GATE_TASKS, RULER_TEXT_TASKS

PLAIN_FIELD = re.compile(r"\w[\w.-]*")
"""A `fields` line that names one field and nothing else."""


def gate_errors(where: str, spec: Spec, stage: Stage) -> Iterator[str]:
    """Errors of the stage's gate, which `where` names."""
    gate = stage.gate
    if gate is None:
        return
    if gate.max_validation_loss is not None and stage.validation is None:
        yield f"{where}.maxValidationLoss: it is a condition on the validation loss: add validation, or remove it"
    if gate.max_validation_loss is None and not gate.suites:
        yield f"{where}: it has no condition: give maxValidationLoss or suites"
    datasets = {dataset.name: dataset for dataset in spec.datasets}
    for number, suite in enumerate(gate.suites):
        of_suite = f"{where}.suites[{number}]"
        if (longest := max(suite.lengths)) > stage.context_length:
            yield f"{of_suite}.lengths: {longest} tokens are more than contextLength {stage.context_length}: use shorter ones"
        if (shortest := min(suite.lengths)) <= (answer := GATE_ANSWER_TOKENS[suite.suite]):
            yield f"{of_suite}.lengths: {shortest} tokens have no room for a prompt beside an answer of up to {answer}: use longer ones"
        if suite.suite in TEXT_SUITES and suite.haystack is None:
            yield f"{of_suite}.haystack: {suite.suite} hides its facts in it: name a data set of texts"
        if suite.suite not in (*TEXT_SUITES, "ruler") and suite.haystack is not None:
            yield f"{of_suite}.haystack: {suite.suite} makes its own text: leave it out"
        yield from _task_errors(of_suite, suite)
        if suite.haystack is None:
            continue
        if (dataset := datasets.get(suite.haystack)) is None:
            yield f"{of_suite}.haystack: data set {suite.haystack} is not in spec.datasets: use one of {', '.join(datasets)}"
        elif dataset.kind != "text" or dataset.fields_from_example is not None or not PLAIN_FIELD.fullmatch(dataset.fields):
            yield f"{of_suite}.haystack: data set {suite.haystack} has no single field of text: use one of kind text with one field"


def _task_errors(of_suite: str, suite: GateSuite) -> Iterator[str]:
    """Errors of tasks, which would end the stage on its accelerator only."""
    tasks, known = suite.tasks or (), GATE_TASKS.get(suite.suite, ())
    if wrong := [task for task in tasks if task not in known]:
        yield (
            f"{of_suite}.tasks: {', '.join(wrong)}: use some of {', '.join(known)}"
            if known
            else f"{of_suite}.tasks: {suite.suite} has none"
        )
    needing = [task for task in tasks if task in RULER_TEXT_TASKS]
    if suite.suite == "ruler" and needing and suite.haystack is None:
        yield f"{of_suite}.haystack: {', '.join(needing)} hide needles in it: name a data set of texts"
    if suite.suite == "ruler" and not needing and suite.haystack is not None:
        yield f"{of_suite}.haystack: no task of the suite uses it: leave it out, or name tasks such as {', '.join(RULER_TEXT_TASKS)}"
    for field, values in (("tasks", tasks), ("lengths", suite.lengths)):
        if twice := [str(value) for value, count in Counter(values).items() if count > 1]:
            yield f"{of_suite}.{field}: {', '.join(twice)} is there more than once, and asks the same questions again: name it once"
