"""Programs that trainers compiled on pods, which outlive a run of the tests: an emulated bucket forgets them, and every stage compiles two.

JAX names a program by the hash of its text, its options and its compiler: what has changed is compiled anew.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.cloud.storage import Blob

from lwm_trainer.storage.gcs import storage_client
from quickstart.storage import upload, use_endpoint
from support import compiled_programs

CACHE = "compile-cache/"
"""The folder beside a training's runs, below `spec.checkpoint.uri`."""
FOLDER = compiled_programs.FOLDER / "pods"


def put(bucket: str, runs: str, endpoint: str) -> None:
    """Write the programs of earlier runs into the cache of the trainings whose checkpoints are in the folder `runs` of the bucket."""
    programs = {str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*-cache")}
    upload({f"{runs}/{CACHE}{name}": content for name, content in programs.items()}, bucket, endpoint)


def keep(endpoint: str) -> None:
    """Keep all programs that are in any bucket now."""
    use_endpoint(endpoint)
    client = storage_client()
    objects = [each for bucket in client.list_buckets() for each in client.list_blobs(bucket) if CACHE in each.name]
    new = {path: each for each in objects if not (path := FOLDER / each.name.partition(CACHE)[2]).exists()}

    def download(path: Path, each: Blob) -> None:
        compiled_programs.write(path, each.download_as_bytes())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(download, new.keys(), new.values()))
