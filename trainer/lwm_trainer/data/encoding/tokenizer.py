"""Text to token ids by a Hugging Face `tokenizer.json`."""

import hashlib
import json
import re
from collections.abc import Sequence

import numpy as np
import tokenizers
from numpy.typing import NDArray

from lwm_trainer.data.encoding.special_tokens import CLOSING, OPENING, internal_name, rename_special_tokens
from lwm_trainer.data.encoding.tokenizer_config import CONFIG, TokenizerConfig, read_tokenizer_config
from lwm_trainer.data.encoding.windows import LONG_TEXT, Tokens, group_by_size, is_long, tokenize_in_windows
from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.storage.file_format import HEAD_BYTES, detect_container
from lwm_trainer.storage.files import read_files

ENDS = (("<s>", "</s>"), ("<|begin_of_text|>", "<|end_of_text|>"))
"""The tokens at the ends of a document where no `tokenizer_config.json` names them: those of Llama 2 and LWM, or of Llama 3."""


class Tokenizer:
    """A loaded `tokenizer.json`; the `sha256` of its bytes goes into checkpoint manifests.

    Only this program inserts the ids of special tokens. The same characters typed in a text stay text, whatever the flags in the file, so
    untrusted text cannot end a document.
    """

    def __init__(self, content: bytes, uri: str, vocab_size: int, config: TokenizerConfig | None = None) -> None:
        """`config` is the tokenizer's own `tokenizer_config.json`, which names the tokens that begin and end a document.

        Raises DataError when it is no tokenizer, lacks the token that ends a document, or has more tokens than the model's `vocab_size`.
        """
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.uri = uri
        self.config = config or TokenizerConfig()
        original = _parse(content.decode("utf-8", errors="replace"), uri)
        self.vocabulary_size = max(original.get_vocab(with_added_tokens=True).values()) + 1
        if self.vocabulary_size > vocab_size:
            size = self.vocabulary_size
            raise DataError(f"{uri}: has {size} pieces, but model.vocabSize is {vocab_size}: set model.vocabSize to {size} or more")
        self.begin_id, self.end_id = self._ends(original)
        added = original.get_added_tokens_decoder()
        special = {token.content for token in added.values() if token.special} | self.config.special_tokens
        special |= {str(original.id_to_token(token_id)) for token_id in (self.begin_id, self.end_id)}
        ids = {token: original.token_to_id(token) for token in sorted(special)}
        self.special_ids: dict[str, int] = {token: token_id for token, token_id in ids.items() if token_id is not None}
        """Ids of the special tokens by their text. No tokenized text contains them."""
        self._tokenizer = _parse(json.dumps(rename_special_tokens(json.loads(content), self.special_ids)), uri)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        if any(self._tokenizer.token_to_id(internal_name(token_id)) != token_id for token_id in self.special_ids.values()):
            raise DataCorruptError(f"{uri}: the ids of its added tokens are not those of its vocabulary: save the tokenizer anew")
        self._internal_name = re.compile(f"{OPENING}(?:{'|'.join(map(str, self.special_ids.values()))}){CLOSING}")

    @classmethod
    def load(cls, uri: str, vocab_size: int) -> "Tokenizer":
        """Read `gs://…/tokenizer.json` or an absolute path, with the `tokenizer_config.json` beside it, if there is one.

        Raises what `read_files`, `read_tokenizer_config` and `__init__` raise.
        """
        (file, *_) = read_files(uri, (".json",))
        return cls(file.content, uri, vocab_size, read_tokenizer_config(uri))

    def _ends(self, original: tokenizers.Tokenizer) -> tuple[int, int]:
        """Ids of the tokens that begin and end a document. The end also begins one where there is no token for that, as in GPT-2.

        An added token is told apart from a piece of text with the same letters: byte-level vocabularies have learned pieces such as `</s>`.
        """
        added = {token.content for token in original.get_added_tokens_decoder().values()}
        choices = [pair for pair in ENDS if pair[1] in added]
        choices += [pair for pair in ENDS if original.token_to_id(pair[1]) is not None]
        default_begin, default_end = choices[0] if choices else ENDS[0]
        begin, end = self._named_id(original, "bos_token", default_begin), self._named_id(original, "eos_token", default_end)
        named = self.config.token_names
        if "eos_token" in named and "bos_token" not in named and default_begin not in added:
            begin = None
        if end is None:
            raise DataError(
                f"{self.uri}: has no piece {default_end}, and no {CONFIG} beside it names an eos_token: put the tokenizer's own there"
            )
        return end if begin is None else begin, end

    def _named_id(self, original: tokenizers.Tokenizer, name: str, default: str) -> int | None:
        token = self.config.token_names.get(name)
        token_id: int | None = original.token_to_id(token or default)
        if token_id is None and token is not None:
            raise DataError(f"{self.config.uri}: {name} is {token!r}, which {self.uri} does not have: put the files of one tokenizer there")
        return token_id

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Each text as the begin token, its tokens and the end token; int32 [length]."""
        return [np.concatenate([[self.begin_id], ids, [self.end_id]]).astype(np.int32) for ids in self.tokenize(texts)]

    def tokenize(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """The tokens of each text, without those that begin and end it; int32 [length].

        A long text is tokenized in windows, and many short ones in groups, so that memory does not grow with them.
        """
        ids: list[NDArray[np.int32]] = []
        for group in group_by_size(texts, LONG_TEXT):
            if is_long(group):
                ids.append(tokenize_in_windows(group[0], self._encode).ids)
            else:
                encodings = self._tokenizer.encode_batch_fast(group, add_special_tokens=False)
                ids += [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        return ids

    def tokenize_with_offsets(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text with the characters they stand for; internal names become the special tokens."""
        tokens: list[Tokens] = []
        for group in group_by_size(texts, LONG_TEXT):
            tokens += [tokenize_in_windows(group[0], self._encode)] if is_long(group) else self._encode(group)
        return tokens

    def _encode(self, texts: Sequence[str]) -> list[Tokens]:
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [Tokens(np.array(encoding.ids, np.int32), np.array(encoding.offsets, np.int64).reshape(-1, 2)) for encoding in encodings]

    def holds_internal_name(self, text: str) -> bool:
        """Whether a text holds what stands for a special token; texts of a data set should not."""
        return OPENING in text and self._internal_name.search(text) is not None

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some token ids; special tokens are left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def _parse(content: str, uri: str) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # the library raises bare Exception
        if (container := detect_container(content[:HEAD_BYTES].encode())) is not None:
            raise DataCorruptError(f"{uri}: not a tokenizer.json: it is {container.name}: {container.fix}") from error
        raise DataCorruptError(f"{uri}: not a tokenizer.json: {error}") from error
