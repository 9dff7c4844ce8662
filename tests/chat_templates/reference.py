"""Makes the tokenizers beside it and transformers' tokens of conversations; run by hand, because the lock file has no transformers.

    uv venv /tmp/reference && uv pip install --python /tmp/reference transformers==5.24.0
    /tmp/reference/bin/python tests/chat_templates/reference.py

Each template is rendered over each conversation by `apply_chat_template`, and tokenized by each tokenizer: ids, and the mask of what
`{% generation %}` encloses. A template that refuses a conversation has null there.
"""

import datetime
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast  # type: ignore[import-not-found]
from transformers.utils import chat_template_utils  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent
DATE = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
CONTROL = ["<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[INST]", "[/INST]"]
UNKNOWN, ENDS = "<unk>", {"bos_token": "<s>", "eos_token": "</s>"}
TEXT = ["The river is past the old mill. Name a stone, or another: flint and slate. assistant user system"] * 3


def byte_level(*, add_prefix_space: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trained(tokenizer, trainers.BpeTrainer(vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


def metaspace(scheme: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    return with_bytes(tokenizer)


def prepended() -> Tokenizer:
    """As Llama 2's, which puts the space in front in a normalizer."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return with_bytes(tokenizer)


def with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trained(tokenizer, trainers.BpeTrainer(vocab_size=330, special_tokens=pieces, show_progress=False, max_token_length=8))
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] == "<unk>"]
    return Tokenizer.from_str(json.dumps(content))


def trained(tokenizer: Tokenizer, trainer: Any) -> None:
    tokenizer.train_from_iterator(TEXT, trainer)


TOKENIZERS = {
    "byte_level": lambda: byte_level(add_prefix_space=False),
    "prefix_space": lambda: byte_level(add_prefix_space=True),
    "metaspace_first": lambda: metaspace("first"),
    "metaspace_always": lambda: metaspace("always"),
    "prepended": prepended,
}


def expected(tokenizer: Any, template: str, conversation: dict[str, Any]) -> dict[str, list[int]] | None:
    arguments = {"tools": conversation.get("tools"), "documents": conversation.get("documents")}
    try:
        result = tokenizer.apply_chat_template(
            conversation["messages"], chat_template=template, return_dict=True, return_assistant_tokens_mask=True, **arguments
        )
    except Exception as error:
        print(f"refused: {error}")
        return None
    return {"ids": list(result["input_ids"]), "mask": list(result["assistant_masks"])}


class _Clock(datetime.datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return DATE


def main() -> None:
    chat_template_utils.datetime = _Clock
    conversations = json.loads((FOLDER / "conversations.json").read_text())
    templates = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.jinja"))}
    values: dict[str, Any] = {}
    for name, make in TOKENIZERS.items():
        tokenizer = make()
        tokenizer.add_special_tokens(["<s>", "</s>", *CONTROL])
        tokenizer.add_tokens(["<think>", "</think>"])
        (FOLDER / f"{name}.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + "\n")
        fast = PreTrainedTokenizerFast(tokenizer_file=str(FOLDER / f"{name}.json"), **ENDS)
        for template_name, template in templates.items():
            for title, conversation in conversations.items():
                values.setdefault(name, {}).setdefault(template_name, {})[title] = expected(fast, template, conversation)
    (FOLDER / "expected.json").write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
