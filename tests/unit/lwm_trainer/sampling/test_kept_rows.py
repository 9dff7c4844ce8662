"""Which row of the cache a prompt takes."""

import pytest

from lwm_trainer.sampling.kept_rows import WORTH_COPYING, place_prompts, reusable_length
from lwm_trainer.sampling.prompt import text_row, vision_row


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    assert reusable_length(text_row([1, 2, 3]), text_row([1, 2, 3])) == 2
    assert reusable_length(text_row([1, 2, 3, 4]), text_row([1, 2, 5, 4])) == 2
    assert reusable_length(text_row([1, 2]), vision_row([1, 2, 3])) == 0


@pytest.mark.parametrize(
    ("contents", "free", "prompts", "places"),
    [
        (["", ""], [0, 1], ["abc"], [(0, 0, 0, 0)]),
        (["abc", ""], [1, 0], ["abcd"], [(0, 0, 3, 0)]),  # goes on where it is
        (["abc", "xyz"], [0, 1], ["new"], [(0, 0, 0, 0)]),  # the conversation that was used last is kept, the other one given up
        (["abc", "xyz"], [1, 0], ["new"], [(1, 1, 0, 0)]),
        (["abcdefgh", "xyz"], [1, 0], ["ab?"], [(1, 0, 2, 0)]),  # begins alike: a copy, and the row is kept
        (["abcdefgh"], [0], ["ab?"], [(0, 0, 2, 0)]),  # no other row: its own is given up
        (["abc", "xyz"], [0, 1], ["xyz!", "abc!"], [(1, 1, 3, 0), (0, 0, 3, 0)]),
        (["abc", "xyz"], [1], ["abcd"], [(1, 0, 3, 0)]),  # the row that holds it answers another request: a copy
        (["", "", ""], [0, 1, 2], ["abc1", "abc2", "abc3"], [(0, 0, 0, 0), (1, 0, 3, 1), (2, 0, 3, 1)]),  # computed once
        (["abcdef", "xyz", ""], [2, 1], ["abc1", "abc2"], [(2, 0, 3, 0), (1, 0, 3, 0)]),  # both from the one that is in the cache
        (["", "", ""], [0, 1, 2], ["ab", "abcd", "abcde"], [(0, 0, 0, 0), (1, 0, 2, 1), (2, 1, 4, 2)]),
    ],
)
def test_each_prompt_takes_a_free_row_and_what_any_row_holds_of_it(
    contents: list[str], free: list[int], prompts: list[str], places: list[tuple[int, int, int, int]]
) -> None:
    held, new = ([text_row(list(text.encode())) for text in texts] for texts in (contents, prompts))
    assert place_prompts(held, free, new, worth=1) == places


def test_a_copy_that_spares_little_is_not_made() -> None:
    contents, prompts = [text_row([1]), text_row([1, *range(2, WORTH_COPYING + 2)])], [text_row(list(range(1, WORTH_COPYING + 9)))]
    assert place_prompts(contents, [0], prompts) == [(0, 1, WORTH_COPYING + 1, 0)]
    assert place_prompts(contents, [0], [prompts[0].before(WORTH_COPYING)]) == [(0, 0, 1, 0)]


def test_more_prompts_than_free_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="2 prompts need as many rows, but 1 are free"):
        place_prompts([text_row([])] * 2, [1], [text_row([1])] * 2)
