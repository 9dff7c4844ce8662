"""Finds what the assistant says in a text that a chat template without `{% generation %}` rendered.

An answer is rendered a second time with other content. What the two texts have in common before and after it is the template's, what
differs is the answer. An answer also ends with the special token that follows it where it is the last message, because the model has to
write that. A text in which this does not hold is refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lwm_trainer.data.encoding.chat_template import ANSWER_BEGIN, ANSWER_END
from lwm_trainer.data.records.record import BadRecordError

OTHER_CONTENT = "\ufdd5"
"""A Unicode noncharacter that stands in for an answer."""

Render = Callable[[Sequence[Mapping[str, Any]], bool], str]
"""A function from messages, and whether to add a generation prompt, to the rendered text. It raises BadRecordError."""


def mark_answers(render: Render, messages: Sequence[Mapping[str, Any]], rendered: str, special: re.Pattern[str]) -> str:
    """The rendered text with marks around the content of each of the assistant's messages and the special token that ends it.

    Args:
        special: matches a special token.

    Raises BadRecordError when an answer cannot be told from what the template writes.
    """
    answers = [number for number, message in enumerate(messages) if message.get("role") == "assistant"]
    parts, done = [], 0
    end_of_turn = _end_of_turn(render, messages[: answers[-1]], special) if answers else ""
    for number in answers:
        begin, end = _span(render, messages, number, rendered)
        if begin < done:
            raise _not_found(number)
        if rendered.startswith(end_of_turn, end):
            end += len(end_of_turn)
        parts += [rendered[done:begin], ANSWER_BEGIN, rendered[begin:end], ANSWER_END]
        done = end
    return "".join([*parts, rendered[done:]])


def _end_of_turn(render: Render, before: Sequence[Mapping[str, Any]], special: re.Pattern[str]) -> str:
    """What the template writes after a last answer, up to the first special token; empty when there is none."""
    _, _, tail = render([*before, _other()], False).partition(OTHER_CONTENT)
    match = re.compile(rf"\s*(?:{special.pattern})").match(tail)
    return match[0] if match else ""


def _span(render: Render, messages: Sequence[Mapping[str, Any]], number: int, rendered: str) -> tuple[int, int]:
    """Where the content of message `number` begins and ends in the rendered text."""
    before, content, after = render([*messages[:number], _other(), *messages[number + 1 :]], False).partition(OTHER_CONTENT)
    begin, end = len(before), len(rendered) - len(after)
    if not content or OTHER_CONTENT in after or not rendered.endswith(after):
        raise _not_found(number)
    if not rendered.startswith(before):  # as when an answer with reasoning gets a heading that other answers do not
        begin = _after_generation_prompt(render, messages[:number], rendered)
    if not 0 <= begin <= end:
        raise _not_found(number)
    return begin, end


def _after_generation_prompt(render: Render, before: Sequence[Mapping[str, Any]], rendered: str) -> int:
    """Where a model would begin to write; -1 when the template does not say that, or writes something else there in this text."""
    prompt = render(before, True) if before else ""
    return len(prompt) if prompt and rendered.startswith(prompt) and prompt != render(before, False) else -1


def _other() -> dict[str, str]:
    return {"role": "assistant", "content": OTHER_CONTENT}


def _not_found(number: int) -> BadRecordError:
    return BadRecordError(
        f"messages[{number}]: the chat template changes what the assistant says or what stands around it, so the answer cannot be found in"
        " the text: put {% generation %} and {% endgeneration %} around it in the template, or set chat.template: lwm"
    )
