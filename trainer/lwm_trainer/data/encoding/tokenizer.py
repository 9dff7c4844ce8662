"""Text to token ids by a Hugging Face `tokenizer.json`."""

import hashlib
from collections.abc import Sequence

import numpy as np
import tokenizers
from numpy.typing import NDArray

from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.storage.files import read_files

BEGIN, END = "<s>", "</s>"


class Tokenizer:
    """A loaded `tokenizer.json`; the `sha256` of its bytes goes into checkpoint manifests.

    Only this program inserts the ids of `<s>` and `</s>`. The same characters typed in a text stay text, so untrusted text cannot end a
    document.
    """

    def __init__(self, content: bytes, uri: str, vocab_size: int) -> None:
        """Raises DataError when it is no tokenizer, lacks `<s>` or `</s>`, or has more tokens than the model's `vocab_size`."""
        self.sha256 = hashlib.sha256(content).hexdigest()
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(content.decode("utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise DataCorruptError(f"{uri}: not a tokenizer.json: {error}") from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        size = max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        if size > vocab_size:
            raise DataError(f"{uri}: has {size} pieces, but model.vocabSize is {vocab_size}: set model.vocabSize to {size} or more")
        self.uri = uri
        added = self._tokenizer.get_added_tokens_decoder().items()
        self.special_ids = {token.content: int(token_id) for token_id, token in added if token.special}
        """Ids of the special tokens by their text. No tokenized text contains them."""
        self.begin_id, self.end_id = (self._id(token, uri) for token in (BEGIN, END))

    @classmethod
    def load(cls, uri: str, vocab_size: int) -> "Tokenizer":
        """Read `gs://…/tokenizer.json` or an absolute path. Raises what `read_files` and `__init__` raise."""
        return cls(read_files(uri, (".json",))[0].content, uri, vocab_size)

    def _id(self, token: str, uri: str) -> int:
        token_id = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise DataError(f"{uri}: has no piece {token}: add it as a special token")
        return int(token_id)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Each text as `<s>`, its tokens and `</s>`; int32 [length]."""
        return [np.concatenate([[self.begin_id], ids, [self.end_id]]).astype(np.int32) for ids in self.tokenize(texts)]

    def tokenize(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """The tokens of each text, without `<s>` and `</s>`; int32 [length]."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some token ids; special tokens are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))
