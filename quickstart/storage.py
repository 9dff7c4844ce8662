"""The example's data, put into a bucket (an emulator's by its address, or a real one by name) or into a folder.

.venv/bin/python -m quickstart.storage --bucket my-bucket
"""

import argparse
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lwm_trainer.storage import emulator
from lwm_trainer.storage.gcs import storage_client
from quickstart.sample_texts import books, chat_lines, python_docs
from quickstart.tokenizer.train import PATH as TOKENIZER

BUCKET = "lwm"
VISION_TOKENIZER = Path(__file__).parent / "vision_tokenizer" / "tokenizer.safetensors"
SHORT_BOOKS = ("ruth", "jonah", "esther", "ecclesiastes", "daniel", "james", "philemon", "jude", "2-john", "obadiah")


HELD_OUT_EVERY = 11
"""Each eleventh book is held out of the example's training, for its validation."""


def use_endpoint(endpoint: str | None) -> None:
    """Points Google's clients, gcsfs and TensorStore of this process to an emulator at `endpoint`; None: to Google itself."""
    if endpoint is not None:
        os.environ |= {"STORAGE_EMULATOR_HOST": endpoint, "TENSORSTORE_GCS_HTTP_URL": endpoint, "GOOGLE_CLOUD_PROJECT": "lwm"}
        emulator.configure_clients()


def example_objects() -> dict[str, bytes]:
    """Object name to content: 60 books below `books/`, 6 below `held-out-books/`, and `tokenizer/tokenizer.json`."""
    texts = {
        f"{'held-out-books' if number % HELD_OUT_EVERY == 0 else 'books'}/{name}": text.encode()
        for number, (name, text) in enumerate(books().items(), start=1)
    }
    return texts | {"tokenizer/tokenizer.json": TOKENIZER.read_bytes()}


def small_objects() -> dict[str, bytes]:
    """Object name to content: the ten books of SHORT_BOOKS and the tokenizer, for trainings that must be short."""
    short = {f"books/{name}": text.encode() for name, text in books().items() if name[3:].removesuffix(".txt") in SHORT_BOOKS}
    return short | {"tokenizer/tokenizer.json": TOKENIZER.read_bytes()}


def recipe_objects() -> dict[str, bytes]:
    """What examples/recipe-small.yaml reads: the example's objects, more text below `manual/`, JSON lines below `vision/` and `chat/`.

    Each eighth page of the manual is below `held-out/` instead, for validation. Beside the lines of `vision/` are the pictures and clips
    that they name, and the tokenizer that encodes these.
    """
    from quickstart.sample_pictures import vision_objects

    pages = {name: text.encode() for name, text in python_docs().items()}
    held_out = set(list(pages)[::8])
    return {
        **example_objects(),
        **{f"{'held-out' if name in held_out else 'manual'}/{name}": text for name, text in pages.items()},
        **{f"vision/{name}": content for name, content in vision_objects().items()},
        f"vision/{VISION_TOKENIZER.name}": VISION_TOKENIZER.read_bytes(),
        "chat/verses.jsonl": chat_lines(),
    }


def upload(objects: Mapping[str, bytes], bucket_name: str = BUCKET, endpoint: str | None = None) -> None:
    """Writes `objects` into the bucket, which an emulator creates where it is missing and Google must already have."""
    from google.api_core.exceptions import Conflict

    use_endpoint(endpoint)
    client = storage_client()
    bucket = client.bucket(bucket_name)
    if endpoint is not None and not bucket.exists():
        with suppress(Conflict):  # somebody else was faster
            client.create_bucket(bucket_name)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: bucket.blob(item[0]).upload_from_string(item[1]), objects.items()))


def write(objects: Mapping[str, bytes], folder: Path) -> None:
    """Writes `objects` as files below `folder`."""
    for name, content in objects.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", default=BUCKET)
    parser.add_argument("--endpoint", help="an emulator's address, such as http://127.0.0.1:4443; default: Google Cloud Storage")
    parser.add_argument("--folder", type=Path, help="a folder of this machine instead of a bucket")
    parser.add_argument(
        "--recipe", action="store_true", help="also what examples/recipe-small.yaml reads: manual/, held-out/, vision/ and chat/"
    )
    options = parser.parse_args()
    objects = recipe_objects() if options.recipe else example_objects()
    if options.folder:
        write(objects, options.folder)
    else:
        upload(objects, options.bucket, options.endpoint)
    place = options.folder or f"gs://{options.bucket}"
    print(f"{place}: {len(objects)} files written, below {', '.join(sorted({name.partition('/')[0] for name in objects}))}")
