"""LWM's files: written here as its StreamingCheckpointer writes them, computed here with its interleaved pairs, and converted."""

import pickle
from pathlib import Path
from typing import Any

import flax.serialization
import msgpack
import numpy as np
import pytest
from safetensors.numpy import save

from convert.ours import logits
from lwm_trainer.config import ExitCode
from lwm_trainer.convert.__main__ import main
from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.lwm_read import LwmFile
from lwm_trainer.convert.msgpack_map import Stream
from lwm_trainer.convert.names import model_parameters
from unit.lwm_trainer.convert.test_round_trip import MODELS

WIDTH, HEADS, CHANNELS, INNER, VOCAB, LAYERS = 32, 4, 8, 40, 64, 2
"""The config.json of tests/convert/llama2."""
CONFIG = str(MODELS / "llama2" / "config.json")
Tree = dict[str, np.ndarray]


def drawn(seed: int) -> Tree:
    """A stacked tree by LWM's names."""
    draw = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return np.asarray(draw.standard_normal(shape) / np.sqrt(shape[-2]), np.float32)

    layer = "transformer/h/scan_decoder/"
    kernels = {"attention/wq": (32, 32), "attention/wk": (32, 32), "attention/wv": (32, 32), "attention/wo": (32, 32)}
    kernels |= {"feed_forward/w1": (WIDTH, INNER), "feed_forward/w2": (INNER, WIDTH), "feed_forward/w3": (WIDTH, INNER)}
    tree = {f"{layer}{name}/kernel": normal(LAYERS, *shape) for name, shape in kernels.items()}
    norms = {f"{layer}{name}/kernel": draw.uniform(0.5, 1.5, (LAYERS, WIDTH)).astype(np.float32) for name in ("attention_norm", "ffn_norm")}
    ends = {"transformer/wte/embedding": normal(VOCAB, WIDTH), "lm_head/kernel": normal(WIDTH, VOCAB)}
    return tree | norms | ends | {"transformer/ln_f/kernel": draw.uniform(0.5, 1.5, WIDTH).astype(np.float32)}


def unstacked(tree: Tree) -> Tree:
    result: Tree = {}
    for name, array in tree.items():
        for number in range(LAYERS):
            result[name.replace("scan_decoder", str(number))] = array[number] if "scan_decoder" in name else array
    return result


def write(file: Path, tree: Tree) -> Path:
    """As StreamingCheckpointer.save_train_state_to_file, with something of the optimizer's and the step."""
    packer = msgpack.Packer()
    pairs: list[tuple[tuple[str, ...], Any]] = [(("step",), np.int32(7)), (("opt_state", "0", "mu", "x"), np.ones(3, np.float32))]
    pairs += [(("params", "params", *name.split("/")), array) for name, array in tree.items()]
    file.write_bytes(b"".join(packer.pack((key, flax.serialization.to_bytes(value))) for key, value in pairs))
    return file


def forward(tree: Tree, tokens: np.ndarray, theta: float) -> np.ndarray:
    """LWM's equations in float64: neighbouring channels are one complex number, turned by its position."""

    def norm(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return np.asarray(x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-5) * scale)

    def turn(x: np.ndarray) -> np.ndarray:
        angle = np.outer(np.arange(x.shape[1]), theta ** (-np.arange(0, CHANNELS, 2) / CHANNELS))
        turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)[:, None, :]
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape)

    tree = {name: array.astype(np.float64) for name, array in tree.items()}
    x = tree["transformer/wte/embedding"][tokens]
    for number in range(LAYERS):
        p = {name.split("scan_decoder/")[1]: array[number] for name, array in tree.items() if "scan_decoder" in name}
        h = norm(x, p["attention_norm/kernel"])
        q, k, v = ((h @ p[f"attention/{name}/kernel"]).reshape(*tokens.shape, HEADS, CHANNELS) for name in ("wq", "wk", "wv"))
        score = np.einsum("bqhc,bkhc->bhqk", turn(q), turn(k)) / np.sqrt(CHANNELS)
        score = np.where(np.tril(np.ones(score.shape[-2:], bool)), score, -np.inf)
        weight = np.exp(score - score.max(-1, keepdims=True))
        out = np.einsum("bhqk,bkhc->bqhc", weight / weight.sum(-1, keepdims=True), v).reshape(x.shape)
        x = x + out @ p["attention/wo/kernel"]
        h = norm(x, p["ffn_norm/kernel"])
        gate = h @ p["feed_forward/w1/kernel"]
        x = x + (gate / (1 + np.exp(-gate)) * (h @ p["feed_forward/w3/kernel"])) @ p["feed_forward/w2/kernel"]
    return np.asarray(norm(x, tree["transformer/ln_f/kernel"]) @ tree["lm_head/kernel"])


def off(folder: Path, tree: Tree) -> float:
    tokens = np.random.default_rng(1).integers(0, VOCAB, (2, 40))
    return float(np.abs(logits(str(folder), tokens) - forward(tree, tokens, 1e4)).max())


@pytest.mark.parametrize("layout", ["stacked", "unstacked", "chunked"])
def test_a_converted_models_logits_are_those_of_interleaved_pairs(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunked: Flax cuts an array of more than 1 GiB, which of the 7B model are the stacked ones; here of more than 1,000 bytes."""
    if layout == "chunked":
        monkeypatch.setattr(flax.serialization, "MAX_CHUNK_SIZE", 1000)
    tree = drawn(0)
    file = write(tmp_path / "streaming_train_state", unstacked(tree) if layout == "unstacked" else tree)
    assert main(["from-lwm", str(file), str(tmp_path / "0"), "--config", CONFIG]) == 0
    assert off(tmp_path / "0", tree) < 2e-4


def test_the_file_read_as_half_split_is_another_model(tmp_path: Path) -> None:
    tree = drawn(0)
    file = write(tmp_path / "streaming_params", tree)
    assert main(["from-lwm", str(file), str(tmp_path / "0"), "--config", CONFIG, "--rotation", "half"]) == 0
    assert off(tmp_path / "0", tree) > 0.1


def test_a_file_cut_anywhere_is_refused_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "streaming_params", drawn(0))
    content = file.read_bytes()
    for part in (1, 3, 40, 200, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:part])
        assert main(["from-lwm", str(file), str(tmp_path / "0"), "--config", CONFIG]) == ExitCode.BAD_DATA, part
        assert str(file) in capsys.readouterr().err
    assert not (tmp_path / "0").exists()


def test_a_byte_that_is_wrong_anywhere_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most bytes are values; the bytes around the beginning of an array, and of a chunk of one, are the ones that are parsed."""
    monkeypatch.setattr(flax.serialization, "MAX_CHUNK_SIZE", 1000)
    file = write(tmp_path / "streaming_params", drawn(0))
    content = file.read_bytes()
    begins = [location.start for location in Stream(file).locations.values()]
    draw = np.random.default_rng(0)
    parameters = model_parameters(read_config(Path(CONFIG)).model)
    refusals = 0
    for _ in range(300):
        changed = bytearray(content)
        changed[max(0, int(draw.choice(begins)) + int(draw.integers(-60, 60)))] = int(draw.integers(256))
        file.write_bytes(changed)
        try:
            LwmFile(file).check(parameters, tied=False)
        except ConversionError:
            refusals += 1
    assert refusals > 100


@pytest.mark.parametrize("name", ["missing.json", "tokenizer.model", ""])
def test_a_tokenizer_that_is_named_is_there(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "streaming_params", drawn(0))
    (tmp_path / "tokenizer.model").write_bytes(b"pieces")
    command = ["from-lwm", str(file), str(tmp_path / "0"), "--config", CONFIG, "--tokenizer", str(tmp_path / name)]
    assert main(command) == ExitCode.BAD_ARGUMENTS
    assert f"--tokenizer {tmp_path / name}: " in capsys.readouterr().err
    assert not (tmp_path / "0").exists()


def test_a_file_of_another_format_is_named_as_what_it_is(tmp_path: Path) -> None:
    whole = flax.serialization.to_bytes({"params": {"transformer": {"wte": {"embedding": np.ones((8, 4), np.float32)}}}})
    contents = {
        "an empty file": b"",
        "a pickle": pickle.dumps({"weights": [1.0]}),
        "JSON": b"{}",
        "Flax's whole msgpack": whole,
        "a safetensors file": save({"x": np.ones(3, np.float32)}),
        "a folder": None,
    }
    for number, (name, content) in enumerate(contents.items()):
        file = tmp_path / str(number)
        file.mkdir() if content is None else file.write_bytes(content)
        with pytest.raises(ConversionError, match=f"{file}: (this is|is) {name}"):
            Stream(file)


@pytest.mark.parametrize("name", ["lm_head/kernel", "transformer/h/scan_decoder/ffn_norm/kernel"])
def test_values_that_are_not_finite_are_named_by_tensor(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = drawn(0)
    tree[name][1, 3] = np.nan
    file = write(tmp_path / "streaming_params", tree)
    assert main(["from-lwm", str(file), str(tmp_path / "0"), "--config", CONFIG]) == ExitCode.BAD_DATA
    place = f"{name}, layer 1: of 32" if "scan" in name else f"{name}: of 2048"
    assert f"{file}: {place} values, 1 are NaN and 0 infinite" in capsys.readouterr().err
    assert not (tmp_path / "0").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lm_head/kernel": None}, "has no lm_head/kernel"),
        ({"lm_head/bias": np.ones(64, np.float32)}, "lm_head/bias and 0 more do not belong to this model"),
        ({"lm_head/kernel": np.ones((32, 65), np.float32)}, r"lm_head/kernel is (32, 65), but --config makes it (32, 64)"),
        ({"lm_head/kernel": np.ones((32, 64), np.int32)}, "lm_head/kernel is int32"),
    ],
)
def test_what_does_not_fit_the_config_is_named(
    change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = {name: array for name, array in (drawn(0) | change).items() if array is not None}
    file = write(tmp_path / "streaming_params", tree)
    assert main(["from-lwm", str(file), str(tmp_path / "0"), "--config", CONFIG]) == ExitCode.BAD_DATA
    assert message in capsys.readouterr().err
