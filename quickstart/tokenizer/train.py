"""Trains the example's tokenizer: a byte-level BPE of 2,048 pieces on the example text. Run once; its result is committed.

uv run python -m quickstart.tokenizer.train
"""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from quickstart.sample_texts import books

PATH = Path(__file__).parent / "tokenizer.json"
PIECES = 2048
SPECIAL = ["<pad>", "<s>", "</s>"]


def train(texts: list[str], pieces: int = PIECES) -> Tokenizer:
    """The tokenizer of `texts`; the same texts give the same bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=pieces, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


if __name__ == "__main__":
    train(list(books().values())).save(str(PATH))
    print(f"{PATH}: {PIECES} pieces")
