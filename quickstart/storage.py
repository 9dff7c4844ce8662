"""The example's text and tokenizer, put into a bucket: an emulator's by its address, or a real one by name.

.venv/bin/python -m quickstart.storage --bucket my-bucket
"""

import argparse
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from lwm_trainer.storage import emulator
from lwm_trainer.storage.gcs import storage_client
from quickstart.books import books
from quickstart.tokenizer.train import PATH as TOKENIZER

BUCKET = "lwm"
SHORT_BOOKS = ("ruth", "jonah", "esther", "ecclesiastes", "daniel", "james", "philemon", "jude", "2-john", "obadiah")


def use_endpoint(endpoint: str | None) -> None:
    """Points Google's clients, gcsfs and TensorStore of this process to an emulator at `endpoint`; None: to Google itself."""
    if endpoint is not None:
        os.environ |= {"STORAGE_EMULATOR_HOST": endpoint, "TENSORSTORE_GCS_HTTP_URL": endpoint, "GOOGLE_CLOUD_PROJECT": "lwm"}
        emulator.prepare()


def example_objects() -> dict[str, bytes]:
    """Object name to content: the 66 books below `books/` and `tokenizer/tokenizer.json`."""
    return {f"books/{name}": text.encode() for name, text in books().items()} | {"tokenizer/tokenizer.json": TOKENIZER.read_bytes()}


def small_objects() -> dict[str, bytes]:
    """Object name to content: the ten books of SHORT_BOOKS and the tokenizer, for trainings that must be short."""
    short = {f"books/{name}": text.encode() for name, text in books().items() if name[3:].removesuffix(".txt") in SHORT_BOOKS}
    return short | {"tokenizer/tokenizer.json": TOKENIZER.read_bytes()}


def upload(objects: Mapping[str, bytes], bucket_name: str = BUCKET, endpoint: str | None = None) -> None:
    """Writes `objects` into the bucket, which an emulator makes where it is missing and Google must already have."""
    from google.api_core.exceptions import Conflict

    use_endpoint(endpoint)
    client = storage_client()
    bucket = client.bucket(bucket_name)
    if endpoint is not None and not bucket.exists():
        with suppress(Conflict):  # somebody else was faster
            client.create_bucket(bucket_name)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: bucket.blob(item[0]).upload_from_string(item[1]), objects.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", default=BUCKET)
    parser.add_argument("--endpoint", help="an emulator's address, such as http://127.0.0.1:4443; default: Google Cloud Storage")
    parser.add_argument("--recipe", action="store_true", help="also what examples/recipe-small.yaml reads: manual/, vision/ and chat/")
    options = parser.parse_args()
    if options.recipe:
        from quickstart.data import data_objects

        objects = data_objects()
    else:
        objects = example_objects()
    upload(objects, options.bucket, options.endpoint)
    print(f"gs://{options.bucket}: {', '.join(sorted({name.partition('/')[0] for name in objects}))} are there")
