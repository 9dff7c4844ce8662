"""How much of a text has room in a prompt: lengths are counted by the model's own tokenizer."""

from collections.abc import Callable

from lwm_trainer.evaluation.suite import SuiteError, Tokenize, Tokens

FIRST_STEP = 8


def fill_prompt(
    text_of: Callable[[int], str], room: int, least: int, tokenize: Tokenize, items: str, most: int | None = None
) -> tuple[Tokens, int]:
    """The longest prompt of at most `room` tokens, and how many items it has.

    Args:
        text_of: the prompt with so many items; with more items it has more tokens.
        least: items that the question needs.
        items: what they are, for the error.
        most: items that there are; None: any number.

    The number is guessed from the tokens of an item and then bisected, so a prompt is tokenized a few times. Raises SuiteError where
    `least` items have no room.
    """
    count, best = least, tokenize(text_of(least))
    if len(best) > room:
        raise SuiteError(
            f"a prompt with {least} {items} has {len(best)} tokens, but {room} are left beside the answer: use a longer length"
        )
    too_many = None if most is None else most + 1
    tokens_of_item = 0.0
    while too_many is None or too_many - count > 1:
        step = int((room - len(best)) / tokens_of_item) if tokens_of_item else FIRST_STEP
        guess = count + max(step, 1)
        if too_many is not None and guess >= too_many:
            guess = (count + too_many) // 2
        tokens = tokenize(text_of(guess))
        if len(tokens) > room:
            too_many = guess
            continue
        tokens_of_item = max(len(tokens) - len(best), 1) / (guess - count)
        count, best = guess, tokens
    return best, count
