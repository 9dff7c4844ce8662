"""The most memory that a preparation worker takes for one shard of long chats, whose letters are all in a few records.

A process of its own, so that nothing else counts. The pods of a preparation have 2 GiB unless the training says otherwise.
"""

import json
import multiprocessing
import os
import re
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.data.preparation import TOKENIZER, VOCABULARY
from benchmarks.data.sizes import Sizes
from benchmarks.measurements import Measurement
from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.shards import single_shard
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.preparation.shard import write_shard
from lwm_trainer.storage.folder import folder
from quickstart.sample_texts import books

LETTERS = 4_000_000
"""Characters of a chat: about a million tokens."""


def write_chats(path: Path, count: int) -> None:
    """Chats of one long question, which is the King James Bible, and a short answer."""
    question = "\n".join(books().values())[:LETTERS]
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "In the beginning."}]
    path.write_text((json.dumps({"messages": messages}) + "\n") * count)


def peak_bytes(source: str, store: str) -> int:
    """Prepare all of `source` as one shard in `store`; the largest resident size of this process so far."""
    dataset = Dataset(name="chats", kind="chat", uri=source)
    encode = encoder(dataset, Tokenizer.load(str(TOKENIZER), VOCABULARY), None, 0)
    listing = list_record_files(source)
    write_shard(folder(store), 0, listing, single_shard(listing), dataset, encode, lambda _: None)
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if match is None:
        raise RuntimeError("/proc/self/status names no VmHWM")
    return int(match[1]) * 1024


def preparation_memory(sizes: Sizes) -> Iterable[Measurement]:
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory(prefix="lwm-bench-") as temporary:
        source = Path(temporary) / "chats.jsonl"
        write_chats(source, sizes.chats)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            peak = pool.submit(peak_bytes, str(source), f"{temporary}/store").result()
        yield Measurement(
            name="preparation, peak memory of a shard of chats",
            value=peak / 2**20,
            unit="MiB",
            note=f"{source.stat().st_size / 2**20:.0f} MiB in {sizes.chats} chats",
        )
