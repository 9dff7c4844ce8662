"""Renames the special tokens in a `tokenizer.json` to names that no text holds, so that only this program can write them.

A tokenizer finds its special tokens by their text, and some models also find them among the ordinary pieces. Flags in the file only change
a part of that. With a name that cannot be typed, `</s>` in a text is four letters, whatever the flags say. Ids stay as they are.
"""

from collections.abc import Collection, Mapping
from typing import Any

# Unicode noncharacters, reserved for a program's internal use: no text may hold them.
OPENING, CLOSING = "\ufdd0", "\ufdd1"


def internal_name(token_id: int) -> str:
    """What stands for a special token in a rendered text."""
    return f"{OPENING}{token_id}{CLOSING}"


def rename_special_tokens(content: Mapping[str, Any], special_ids: Mapping[str, int]) -> dict[str, Any]:
    """The parsed `tokenizer.json` with the tokens of `special_ids` renamed, all marked special.

    It has no post-processor either: that only adds tokens, and trims offsets.
    """
    names = {token: internal_name(token_id) for token, token_id in special_ids.items()}
    added = [
        token | ({"content": names[token["content"]], "special": True} if token["content"] in names else {})
        for token in content.get("added_tokens") or []
    ]
    present = {token["content"] for token in added}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added += [{"id": special_ids[token], "content": name} | plain for token, name in names.items() if name not in present]
    return {**content, "added_tokens": added, "post_processor": None, "model": _rename_pieces(content["model"], names)}


def _rename_pieces(model: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed = dict(model)
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # Unigram: pieces with their scores
        renamed["vocab"] = [[names.get(piece, piece), score] for piece, score in vocabulary]
    else:
        renamed["vocab"] = {names.get(piece, piece): number for piece, number in vocabulary.items()}
    if model.get("unk_token") in names:
        renamed["unk_token"] = names[model["unk_token"]]
    if model.get("merges"):
        renamed["merges"] = [merge for merge in model["merges"] if not _makes(merge, names)]
    return renamed


def _makes(merge: str | list[str], names: Collection[str]) -> bool:
    """Whether a merge of a BPE model joins or makes a special token."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left in names or right in names or left + right in names
