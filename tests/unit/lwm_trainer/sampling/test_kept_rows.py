"""Which rows of the cache a batch takes over."""

import pytest

from lwm_trainer.sampling.kept_rows import WORTH_COPYING, arrange, reusable_length
from lwm_trainer.sampling.prompt import text_row, vision_row


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    assert reusable_length(text_row([1, 2, 3]), text_row([1, 2, 3])) == 2
    assert reusable_length(text_row([1, 2, 3, 4]), text_row([1, 2, 5, 4])) == 2
    assert reusable_length(text_row([1, 2]), vision_row([1, 2, 3])) == 0


@pytest.mark.parametrize(
    ("contents", "prompts", "order"),
    [
        (["", ""], ["abc"], [0, 1]),
        (["abc", ""], ["abcd"], [0, 1]),  # goes on where it is
        (["abc", "xyz"], ["xyz!"], [1, 0]),  # the other conversation becomes the first row, and this one is kept
        (["abc", "xyz"], ["new"], [0, 0]),  # the conversation that was used last is kept, the other one given up
        (["abcdefgh", "xyz"], ["ab?"], [0, 0]),  # begins alike: a copy, and the row is kept
        (["abc", "xyz"], ["xyz!", "abc!"], [1, 0]),
        (["abc", "abc"], ["abc1", "abc2"], [0, 1]),
        (["abc", "", ""], ["abc1", "abc2"], [0, 0, 2]),
    ],
)
def test_each_prompt_takes_the_row_that_holds_most_of_it(contents: list[str], prompts: list[str], order: list[int]) -> None:
    former, new = ([text_row(list(text.encode())) for text in texts] for texts in (contents, prompts))
    assert arrange(former, new, worth=1) == order


def test_a_copy_that_spares_little_is_not_made() -> None:
    contents, prompts = [text_row([1]), text_row([1, *range(2, WORTH_COPYING + 2)])], [text_row(list(range(1, WORTH_COPYING + 9)))]
    assert arrange(contents, prompts) == [1, 0]
    assert arrange(contents, [prompts[0].before(WORTH_COPYING)]) == [0, 1]
