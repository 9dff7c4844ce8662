"""Answers of a random model: each fault of LWM's sampler cannot occur, and a row does not depend on its batch."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from lwm_trainer.config import Frames, Model, Vision
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.piece import Piece
from lwm_trainer.sampling.prompt import TokenRow, join, text_row, vision_row
from lwm_trainer.sampling.row_arrays import Request, rows_of
from lwm_trainer.sampling.settings import Filters, Settings, SettingsError
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from support.byte_tokenizer import byte_tokenizer
from support.tiny_models import one_device_mesh, random_params

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=16))
CODES, FRAME = 8, 3
HOT = Filters(temperature=5.0)


@cache
def vocabulary() -> Vocabulary:
    return make_vocabulary(MODEL, byte_tokenizer("<vision>", "</vision>"), Frames(tokens_per_frame=FRAME, codebook_size=CODES))


@cache
def generator() -> Generator:
    mesh = one_device_mesh()
    engine = Engine(MODEL, 1e4, for_generation(MODEL, random_params(MODEL, mesh)), mesh, 16)
    return Generator(engine, vocabulary(), context_length=160, rows=4)  # one program for all tests


def prompt(text: str = "hello", frames: Sequence[Sequence[int]] | None = None) -> TokenRow:
    """A text, and an open vision span where there are frames."""
    words = vocabulary()
    return join(words.begin(), words.encode(text), *([words.opening(), words.frames(frames)] if frames is not None else []))


def answers(*requests: Request, top: int = 0) -> list[list[Piece]]:
    made: list[list[Piece]] = [[] for _ in requests]
    for pieces in generator().generate(requests, top):
        for piece in pieces:
            made[piece.request].append(piece)
    return made


def spans(pieces: Sequence[Piece], begun: Sequence[int] = ()) -> list[list[int]]:
    """The vision tokens of each span; `begun`: those of the prompt's open span."""
    made = [list(begun)] if pieces and pieces[0].vision else []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        if piece.vision and before is not None and not before.vision:
            made.append([])
        if piece.vision:
            made[-1].append(piece.token)
    return made


def require_well_formed(span: Sequence[int], frames: range) -> None:
    assert len(span) % (FRAME + 1) == 0, span
    assert len(span) // (FRAME + 1) in frames, span
    for place, token in enumerate(span):
        if place % (FRAME + 1) < FRAME:
            assert 0 <= token < CODES, span
        else:
            assert token == (CODES + 1 if place == len(span) - 1 else CODES), span


def test_fault_1_a_code_with_the_number_of_the_end_token_does_not_end_a_picture() -> None:
    settings = Settings(max_tokens=60, stop_ids=tuple(range(CODES)), max_frames=4, min_frames=4, only_vision=True, vision=HOT)
    for seed in range(4):
        (pieces,) = answers(Request(prompt(frames=[]), replace(settings, seed=seed)))
        (span,) = spans(pieces)
        require_well_formed(span, range(4, 5))
        assert pieces[-1].reason == "stop"


@pytest.mark.parametrize(("least", "most"), [(1, 1), (3, 3), (1, 2), (2, 2**31 - 1)])
def test_faults_2_and_7_every_frame_is_codes_and_every_end_is_where_it_belongs(least: int, most: int) -> None:
    requests = [
        Request(prompt(frames=[]), Settings(max_tokens=17, seed=seed, min_frames=least, max_frames=most, vision=HOT, only_vision=True))
        for seed in range(4)
    ]
    for pieces in answers(*requests):
        (span,) = spans(pieces)
        require_well_formed(span, range(least, min(most, 4) + 1))
        assert [piece.token for piece in pieces if not piece.vision] == list(vocabulary().grammar.closing)


def test_fault_3_guidance_of_scale_1_computes_nothing_more() -> None:
    plain, guided = (Request(prompt(frames=[]), Settings(max_tokens=20, guidance=scale)) for scale in (1.0, 3.0))
    assert len(rows_of([plain], vocabulary())) == 1
    assert len(rows_of([guided], vocabulary())) == 2


def test_fault_4_each_modality_has_filters_of_its_own() -> None:
    settings = {"max_tokens": 30, "max_frames": 2, "min_frames": 2}
    first, second = (
        answers(Request(prompt(frames=[]), Settings(**settings, seed=seed, vision=Filters(top_k=1), text=HOT)))[0]  # type: ignore[arg-type]
        for seed in (1, 2)
    )
    assert spans(first)[0] == spans(second)[0]
    assert [piece.token for piece in first[9:]] != [piece.token for piece in second[9:]]


def test_faults_5_and_6_a_row_of_a_batch_of_other_lengths_is_as_alone() -> None:
    requests = [
        Request(prompt("a" * 40), Settings(max_tokens=9, seed=5)),
        Request(prompt("b", frames=[[1, 2, 3]]), Settings(max_tokens=30, seed=6, guidance=4.0, max_frames=3)),
        Request(prompt("cc"), Settings(max_tokens=20, seed=7, text=HOT)),
    ]
    together = answers(*requests)
    for request, expected in zip(requests, together, strict=True):
        (alone,) = answers(request)
        assert [(piece.token, piece.vision, piece.text) for piece in alone] == [(p.token, p.vision, p.text) for p in expected]
        assert [piece.log_probability for piece in alone] == pytest.approx([p.log_probability for p in expected], abs=1e-4)


def test_fault_8_a_stop_text_ends_an_answer_and_is_no_part_of_it() -> None:
    (pieces,) = answers(Request(prompt(), Settings(max_tokens=40)))
    text = "".join(piece.text for piece in pieces)
    stop = text[10:13]
    (stopped,) = answers(Request(prompt(), Settings(max_tokens=40, stop=(stop,))))
    assert "".join(piece.text for piece in stopped) == text[: text.index(stop)]
    assert stopped[-1].reason == "stop"
    assert len(stopped) < len(pieces)


def test_fault_10_a_prompt_that_is_too_long_is_refused_with_both_numbers() -> None:
    with pytest.raises(SettingsError, match="prompt: has 201 tokens, but the context has room for 160"):
        answers(Request(prompt("x" * 200), Settings(max_tokens=1)))
    with pytest.raises(SettingsError, match=r"max_tokens is 100, but the prompt has 101 tokens of the 160 .* give 59 or less"):
        answers(Request(prompt("x" * 100), Settings(max_tokens=100)))


def test_a_torn_frame_is_never_begun_and_frames_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="max_tokens is 4, but 1 frames and their end take 5"):
        answers(Request(prompt(frames=[]), Settings(max_tokens=4)))
    opened = 0
    for seed in range(12):
        (pieces,) = answers(Request(prompt(), Settings(max_tokens=60, seed=seed, text=HOT, min_frames=2, max_frames=5)))
        for span in spans(pieces):
            require_well_formed(span, range(2, 6))
            opened += 1
    assert opened > 0, "no answer opened a span: the test shows nothing"


def test_no_span_is_opened_where_the_answer_may_not_show_anything() -> None:
    for seed in range(12):
        (pieces,) = answers(Request(prompt(), Settings(max_tokens=60, seed=seed, text=HOT, may_show=False)))
        assert not any(piece.vision for piece in pieces)


def test_guidance_mixes_the_scores_of_a_row_that_sees_its_own_frames_only() -> None:
    """Both branches by hand, as prompts of their own, in the middle of a frame."""
    frames, scale = [[1, 2, 3], [4, 5, 6]], 2.5
    begun = prompt("a longer prompt", frames)
    guided = answers(Request(begun, Settings(max_tokens=30, guidance=scale, max_frames=4, min_frames=4)), top=CODES)[0]
    codes = [piece.token for piece in guided if piece.vision][:2]
    words = vocabulary()
    branches = [begun, join(words.begin(), words.opening(), words.frames(frames))]
    scores = [
        {
            code: value
            for code, vision, value in answers(Request(join(branch, vision_row(codes)), Settings(max_tokens=28)), top=CODES)[0][0].top
        }
        for branch in branches
    ]
    mixed = {code: scores[1][code] + scale * (scores[0][code] - scores[1][code]) for code in range(CODES)}
    shown = {code: value for code, _, value in guided[2].top}
    for code in range(1, CODES):
        assert shown[code] - shown[0] == pytest.approx(mixed[code] - mixed[0], abs=1e-3)


def test_a_follow_up_prompt_computes_only_what_is_new_and_answers_the_same() -> None:
    first = Request(prompt("a first question"), Settings(max_tokens=8))
    (pieces,) = answers(first)
    second = Request(join(first.prompt, text_row([p.token for p in pieces]), vocabulary().encode(" and more")), Settings(max_tokens=8))
    if any(piece.vision for piece in pieces):
        pytest.fail("this seed should write text only")
    (continued,) = answers(second)
    assert generator().usage[0].cached == first.prompt.length + 7, "all but the last token had been fed"
    generator().forget()
    (fresh,) = answers(second)
    assert generator().usage[0].cached == 0
    assert [piece.token for piece in continued] == [piece.token for piece in fresh]


def test_questions_on_one_text_compute_it_once_and_are_answered_as_alone() -> None:
    text = "a long text that all of the questions are about: "
    requests = [Request(prompt(text + question), Settings(max_tokens=6, seed=3)) for question in ("one?", "two?", "three?")]
    generator().forget()
    together = answers(*requests)
    assert [usage.cached for usage in generator().usage] == [0, 50, 50]
    for request, expected in zip(requests, together, strict=True):
        generator().forget()
        assert [piece.token for piece in answers(request)[0]] == [piece.token for piece in expected]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"text": Filters(temperature=-1)}, "text.temperature is -1"),
        ({"vision": Filters(top_p=0)}, "vision.top_p is 0"),
        ({"text": Filters(min_p=2)}, "text.min_p is 2"),
        ({"seed": -1}, "seed is -1"),
        ({"stop": ("",)}, "stop is"),
        ({"min_frames": 3, "max_frames": 2}, "max_frames is 2: give min_frames, 3, or more"),
        ({"guidance": float("nan")}, "guidance is nan"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_possible(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        answers(Request(prompt(), Settings(**{"max_tokens": 5, **settings})))  # type: ignore[arg-type]


def test_a_prompt_with_a_torn_frame_or_an_end_in_it_is_refused() -> None:
    words = vocabulary()
    torn = join(words.begin(), words.opening(), vision_row([1, 2, CODES, 3]))
    with pytest.raises(SettingsError, match=f"place 4: vision token {CODES}, but a code below {CODES} belongs there"):
        answers(Request(torn, Settings(max_tokens=20)))


def test_conversations_that_take_turns_keep_their_rows_and_answer_as_if_alone() -> None:
    mine = generator()
    mine.forget()
    texts = {"a": "a" * 40, "b": "b" * 50}
    together = []
    for turn in range(3):
        for name in texts:
            request = Request(prompt(texts[name]), Settings(max_tokens=4, seed=turn))
            together.append((request, answers(request)[0]))
            length, cached = mine.usage[0]
            assert turn == 0 or cached >= length - 3  # all but what is new, and the last token
            texts[name] += "cd"
    for request, pieces in together:
        mine.forget()
        (alone,) = answers(request)
        assert mine.usage[0].cached == 0
        assert [piece.token for piece in alone] == [piece.token for piece in pieces]
