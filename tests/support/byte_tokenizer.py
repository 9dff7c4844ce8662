"""A tokenizer of single bytes, so that tokens can be read, and examples as people read them."""

from itertools import groupby

import numpy as np
from tokenizers import Tokenizer as Made
from tokenizers import decoders, models, pre_tokenizers

from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.tokenizer_config import read_tokenizer_config
from lwm_trainer.data.records.record import BadRecordError

BEGIN, END = 256, 257


def byte_tokenizer(*specials: str, uri: str = "t.json") -> Tokenizer:
    """`<s>` is 256, `</s>` 257, the other special tokens follow. If `uri` is absolute, what lies beside it is read."""
    config = read_tokenizer_config(uri) if uri.startswith("/") else None
    return Tokenizer(byte_tokenizer_json(*specials).encode(), uri, 258 + len(specials), config)


def byte_tokenizer_json(*specials: str) -> str:
    """The content of its `tokenizer.json`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Made(models.BPE(vocab={piece: number for number, piece in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>", *specials])
    return made.to_str()


def read(example: Example | BadRecordError, tokenizer: Tokenizer | None = None) -> str:
    """What counts in upper case, the rest in lower case; special tokens stand in double angles, so that typed ones look different."""
    assert isinstance(example, Example), example
    tokenizer = tokenizer or byte_tokenizer()
    names = {number: f"«{text.strip('<>|')}»" for text, number in tokenizer.special_ids.items()}
    loss = example.loss_mask if example.loss_mask is not None else np.arange(len(example.tokens)) > 0
    words = []
    for (special, counts), run in groupby(zip(example.tokens.tolist(), loss.tolist(), strict=True), lambda at: (names.get(at[0]), at[1])):
        numbers = [number for number, _ in run]
        word = special * len(numbers) if special else tokenizer.decode(numbers)
        words.append(word.upper() if counts else word.lower())
    return "".join(words)
