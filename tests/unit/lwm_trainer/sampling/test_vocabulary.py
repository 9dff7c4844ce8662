"""Prompts with pictures are the tokens that training makes of the same record."""

import numpy as np

from lwm_trainer.config import Frames, Model, Vision
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.vision import frame_tokens
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from support.byte_tokenizer import byte_tokenizer

FRAMES = Frames(tokens_per_frame=3, codebook_size=8)
MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=16))
CODES = [[1, 2, 3], [4, 5, 6]]
END_OF_FRAME, END_OF_VISION = 8, 9


def vocabulary() -> Vocabulary:
    tokenizer: Tokenizer = byte_tokenizer()
    return make_vocabulary(MODEL, tokenizer, FRAMES)


def test_a_span_has_the_tokens_of_training() -> None:
    words = vocabulary()
    span = words.span(CODES)
    np.testing.assert_array_equal(span.tokens[span.vision], frame_tokens([code for frame in CODES for code in frame], FRAMES))
    assert span.tokens[span.vision].tolist() == [1, 2, 3, END_OF_FRAME, 4, 5, 6, END_OF_VISION]
    assert words.decode(span.tokens[~span.vision].tolist()) == "<vision></vision>"
    assert list(np.flatnonzero(span.vision)) == list(range(len("<vision>"), len("<vision>") + 8))


def test_a_prompt_is_begin_spans_text_and_an_open_span() -> None:
    words = vocabulary()
    whole = words.prompt("a cat", shown=[CODES[:1]], opened=CODES[1:])
    pieces = [words.begin(), words.span(CODES[:1]), words.encode("a cat"), words.opening(), words.frames(CODES[1:])]
    np.testing.assert_array_equal(whole.tokens, np.concatenate([piece.tokens for piece in pieces]))
    np.testing.assert_array_equal(whole.vision, np.concatenate([piece.vision for piece in pieces]))
    assert words.prompt("a cat").length == 1 + len("a cat")
