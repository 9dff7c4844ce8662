"""`python -m benchmarks.needle_grid CHECKPOINT --haystack TEXTS`: what a grid of needles costs where questions share their prefix.

Operations are counted for LWM's 7B and its grid of 20 lengths by 20 depths up to a million tokens. Seconds are measured with the
checkpoint on a smaller grid, each way once to compile and once more.
"""

import argparse
import sys
import time
from collections.abc import Sequence

import jax

from lwm_cli.generation_options import find_checkpoint
from lwm_trainer.config import Model
from lwm_trainer.evaluation.ask import make_ask, tokenizer_of
from lwm_trainer.evaluation.haystack import open_texts
from lwm_trainer.evaluation.suite import even_depths
from lwm_trainer.evaluation.suites.needle import NeedleSettings, NeedleSuite
from lwm_trainer.fit.estimate.flops import parameter_counts
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.load import LoadOptions, load_generator
from lwm_trainer.storage.absolute import absolute_uri

LWM_7B = Model(layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000)
GRID = tuple(50_000 * number for number in range(1, 21))
DEPTHS, QUESTION_TOKENS = 20, 64


def prefill_flops(model: Model, tokens: int, before: int = 0) -> int:
    """Forward FLOPs of so many tokens after `before` others: matrix products and causal attention."""
    pairs = tokens * before + tokens * (tokens + 1) // 2
    return 2 * tokens * model.layers * parameter_counts(model).layer + 4 * model.layers * model.heads * model.head_dim * pairs


def grid_flops(model: Model, lengths: Sequence[int], depths: int, *, shared: bool) -> int:
    """FLOPs of a question for each length and depth: each with a prefill of its own, or one prefill for all depths of a length."""
    each = [(prefill_flops(model, length), prefill_flops(model, QUESTION_TOKENS, length)) for length in lengths]
    return sum(prefill + depths * question if shared else depths * (prefill + question) for prefill, question in each)


def seconds(generator: Generator, haystack: str, lengths: tuple[int, ...], depths: int, *, single: bool) -> float:
    """The grid on this machine, after its programs are compiled."""
    settings = NeedleSettings(lengths=lengths, depths=even_depths(depths), single=single, haystack=haystack)
    suite = NeedleSuite(settings, open_texts(haystack, "text"), tokenizer_of(generator.vocabulary))
    questions = [suite.question(key) for key in suite.question_keys()]
    ask = make_ask(generator, suite, "forced")
    for question in questions[::-1]:
        ask(question)
    begin = time.perf_counter()
    for question in questions:
        ask(question)
    return time.perf_counter() - begin


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.needle_grid", description=__doc__)
    parser.add_argument("checkpoint", help="what `lwm sample` takes")
    parser.add_argument("--haystack", required=True, help="a folder of texts")
    parser.add_argument("--tokenizer", help="its tokenizer.json, where it does not lie with it")
    parser.add_argument("--lengths", default="1024,1536,2048", help="of the grid that is measured")
    parser.add_argument("--depths", type=int, default=10)
    options = parser.parse_args(arguments)
    lengths = tuple(map(int, options.lengths.split(",")))
    alone, shared = (grid_flops(LWM_7B, GRID, DEPTHS, shared=shared) for shared in (False, True))
    grid = f"{len(GRID)} lengths to {GRID[-1]:,} x {DEPTHS} depths"
    print(f"LWM 7B, {grid}: {alone:.2e} FLOPs alone, {shared:.2e} shared, {alone / shared:.1f} : 1")
    source = find_checkpoint(options.checkpoint, None)
    tokenizer = source.tokenizer if options.tokenizer is None else absolute_uri(options.tokenizer)
    generator = load_generator(source.weights, LoadOptions(tokenizer=tokenizer, reserve=False))
    haystack = absolute_uri(options.haystack)
    taken = [seconds(generator, haystack, lengths, options.depths, single=single) for single in (True, False)]
    model = source.weights.model
    alone, shared = (grid_flops(model, lengths, options.depths, shared=shared) for shared in (False, True))
    grid = f"{len(lengths)} lengths to {lengths[-1]:,} x {options.depths} depths"
    print(
        f"here, {grid} on {jax.device_count()} {jax.default_backend()} devices: "
        f"{taken[0]:.1f} s alone, {taken[1]:.1f} s shared, {taken[0] / taken[1]:.1f} : 1 (FLOPs {alone / shared:.1f} : 1)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
