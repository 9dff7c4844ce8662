"""Decoding beside Hugging Face transformers, with the same small Llama in float32 on the same CPU.

`uv run --no-sync --with torch==2.15.0 --with transformers==5.24.0 python -m benchmarks.transformers_peer`, with `--quick` a sample: neither
is a dependency of ours. The weights are those of transformers, random ones, which ours reads from the folder that `save_pretrained` writes.
Prints a table and writes build/benchmarks/transformers.json.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import timing
from benchmarks.generation import answer, letters
from benchmarks.measurements import Measurement
from benchmarks.trainer_benchmark import TrainerBenchmark
from lwm_trainer import config
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.load import generator_of
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.sampling.vocabulary import make_vocabulary
from lwm_trainer.sampling.weights import open_weights

SHAPE = {
    "vocab_size": 2048,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 16384,
    "tie_word_embeddings": False,
}
ROWS = 8
SAME = 0.9
"""Share of equal tokens from which on both compute the same: in float32 two equal scores may change their order."""


class Sizes(NamedTuple):
    prompt: int
    """Tokens of a prompt."""
    answer: int
    """Tokens of an answer."""
    budget: float
    """Seconds of a contest, if its least number of rounds fits into them."""


def decoding(sizes: Sizes) -> list[Measurement]:
    """Prompts with greedy answers, of one token and of many, of one row and of several."""
    import torch  # type: ignore[import-not-found]
    from transformers import LlamaConfig, LlamaForCausalLM  # type: ignore[import-not-found]

    torch.set_num_threads(1)  # for so small a model, and where others use the machine, threads wait for each other longer than they compute
    torch.manual_seed(0)
    peer = LlamaForCausalLM(LlamaConfig(**SHAPE, bos_token_id=0, eos_token_id=1, pad_token_id=0)).eval()
    peer.generation_config.eos_token_id = None
    ours = {rows: _ours(peer, sizes, rows) for rows in (1, ROWS)}
    prompts = [np.random.default_rng(seed).integers(4, SHAPE["vocab_size"], sizes.prompt).astype(np.int32) for seed in range(ROWS)]

    def of_peer(rows: int, tokens: int) -> list[int]:
        ids = torch.tensor(np.stack(prompts[:rows]), dtype=torch.long)
        with torch.inference_mode():
            made = peer.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        return made[:, sizes.prompt :].flatten().tolist()  # type: ignore[no-any-return]

    def of_ours(rows: int, tokens: int) -> list[int]:
        ours[rows].forget()
        settings = Settings(max_tokens=tokens, text=Filters(temperature=0))
        by_step = answer(ours[rows], [Request(text_row(prompt), settings) for prompt in prompts[:rows]])
        return np.array(by_step).reshape(tokens, rows).T.flatten().tolist()

    lengths = {"1 1": (1, 1), f"1 {sizes.answer}": (1, sizes.answer), f"{ROWS} {sizes.answer}": (ROWS, sizes.answer)}
    calls: dict[str, Callable[[], Any]] = {}
    for key, (rows, tokens) in lengths.items():
        calls |= {f"{name} {key}": partial(call, rows, tokens) for name, call in (("ours", of_ours), ("peer", of_peer))}
    for call in calls.values():
        call()
    rounds, first = timing.rounds(calls, sizes.budget)
    made = []
    for key, (rows, tokens) in lengths.items():
        seconds, same = timing.seconds(rounds, f"ours {key}"), np.mean(np.array(first[f"ours {key}"]) == np.array(first[f"peer {key}"]))
        made.append(
            Measurement(
                name=f"{rows} prompts of {sizes.prompt} tokens, answers of {tokens}",
                value=rows * tokens / seconds if same > SAME else None,
                unit="tokens/s",
                ratio=timing.ratio(rounds, f"ours {key}", f"peer {key}"),
                note=f"{1000 * seconds:.0f} ms; rounds: {len(rounds)}; {same:.0%} of the tokens are the peer's",
            )
        )
    return made


def _ours(peer: Any, sizes: Sizes, rows: int) -> Generator:
    """The same model on one device, for so many answers at once."""
    device_mesh = make_mesh(config.Mesh())
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        weights = open_weights(str(Path(folder)))
        params = weights.load(weights.model, device_mesh)
    vocabulary = make_vocabulary(weights.model, letters(), config.Frames())
    context = sizes.prompt + sizes.answer
    return generator_of(
        weights.model, weights.rope_theta, params, device_mesh, vocabulary, context, config.Precision(), reserve=True, rows=rows
    )


BENCHMARK = TrainerBenchmark(
    name="transformers",
    command="python -m benchmarks.transformers_peer",
    about=__doc__,
    parts={"decoding": decoding},
    full=Sizes(prompt=2048, answer=129, budget=60.0),
    quick=Sizes(prompt=512, answer=33, budget=5.0),
    sample="a short prompt, few rounds",
    longest_minutes=20,
)


if __name__ == "__main__":
    sys.exit(BENCHMARK.main(sys.argv[1:]))
