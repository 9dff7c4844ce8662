"""A tokenizer for suites: each letter is a token, so prompts can be read again."""

import numpy as np

from lwm_trainer.evaluation.suite import Tokens


def tokenize(text: str) -> Tokens:
    return np.frombuffer(text.encode("utf-32-le"), np.int32)


def text_of(tokens: Tokens) -> str:
    return tokens.astype(np.int32).tobytes().decode("utf-32-le")
