"""The four examples of the recipe say what the paper says (arXiv 2402.08268, tables 11 to 13), and run on the chips that they name."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lwm_cli.training import load, stages
from lwm_operator.api.training import Training, parse_training
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.preparation import PreparationSpec, preparation_job, prepare_config
from lwm_operator.plan.validation.validate import validate
from lwm_trainer.config import RunConfig, Start, Vision
from lwm_trainer.fit.recipe import MEMORY, MESHES, SLICES
from lwm_trainer.fit.synthetic_runs import LLAMA_2_7B, MIXED
from lwm_trainer.vision.vqgan_config import VqganConfig

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
STARTS = {"lwm-text-1m": "llama-2-7b", "lwm-text-chat-1m": "lwm-text-1m", "lwm-1m": "lwm-text-1m", "lwm-chat-1m": "lwm-1m"}
"""From what each example starts."""
TASKS = ("image-generation", "image-understanding", "video-generation")
MEBI = 2**20


@dataclass(frozen=True)
class Row:
    """A column of the paper's tables. `documents` are the books' lengths in thousands of tokens, `frames` the most of a video."""

    training: str
    stage: str
    length: int
    theta: float
    batch: int
    tokens: float
    peak: float
    final: float
    warmup: int
    shares: dict[str, float]
    documents: tuple[int, int | None] | None = None
    frames: int | None = None


def text(stage: str, length: int, theta: float, tokens: float, warmup: int, low: int, high: int | None) -> Row:
    shares = {f"books-{low // 1000}m" if low >= 1000 else f"books-{low}k": 1.0}
    return Row("lwm-text-1m", stage, length, theta, 4 * MEBI, tokens, 4e-5, 4e-5, warmup, shares, documents=(low, high))


def chat(stage: str, length: int, tokens: float, warmup: int, frames: int) -> Row:
    shares = dict.fromkeys((*TASKS, f"video-understanding-{frames}"), 0.25)
    return Row("lwm-chat-1m", stage, length, 5e7, 8 * MEBI, tokens, 8e-5, 8e-5, warmup, shares, frames=frames)


PAPER = (
    text("text-32k", 2**15, 1e6, 4.8e9, 100, 10, 100),
    text("text-128k", 2**17, 1e7, 12e9, 200, 100, 200),
    text("text-256k", 2**18, 1e7, 12e9, 200, 200, 500),
    text("text-512k", 2**19, 2.5e7, 3e9, 50, 500, 1000),
    text("text-1m", 2**20, 5e7, 1.8e9, 25, 1000, None),
    Row("lwm-text-chat-1m", "chat-1m", 2**20, 5e7, 4 * MEBI, 1.2e9, 4e-5, 4e-5, 25, {"ultrachat": 0.7, "qa": 0.3}),
    Row("lwm-1m", "vision-1k", 2**10, 5e7, 8 * MEBI, 363e9, 6e-4, 6e-5, 1000, {"images": 0.84, "text": 0.16}, frames=1),
    Row("lwm-1m", "vision-8k", 2**13, 5e7, 8 * MEBI, 107e9, 6e-4, 6e-5, 500, {"images": 0.42, "videos": 0.42, "text": 0.16}, frames=30),
    chat("chat-32k", 2**15, 10e9, 100, 100),
    chat("chat-128k", 2**17, 3.5e9, 50, 450),
    chat("chat-1m", 2**20, 0.4e9, 5, 4000),
)


def body(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    loaded["metadata"] |= {"namespace": "default", "uid": "1a2b3c4d-0000-0000-0000-000000000000"}
    return loaded


def training(name: str) -> Training:
    return parse_training(body(name))


def other_memory(name: str) -> dict[str, Any]:
    """The memory settings that the file's comment offers beside other families."""
    offered = re.search(r"with memory: (\{[^}]*\}) in every stage", (EXAMPLES / f"{name}.yaml").read_text())
    assert offered is not None
    block: dict[str, Any] = yaml.safe_load(offered[1])
    return block


def other_families(name: str) -> list[dict[str, Any]]:
    """The `tpu` blocks that the file's comment offers instead of its own."""
    return [yaml.safe_load(block) for block in re.findall(r"or (\{family: [^}]*\})", (EXAMPLES / f"{name}.yaml").read_text())]


@pytest.mark.parametrize("row", PAPER, ids=lambda row: f"{row.training} {row.stage}")
def test_each_stage_is_the_papers(row: Row) -> None:
    spec = training(row.training).spec
    stage = next(stage for stage in spec.stages if stage.name == row.stage)
    assert (stage.context_length, stage.rope_theta, stage.batch_tokens) == (row.length, row.theta, row.batch)
    # The paper rounds: its 4M and 8M batches are powers of two here, and its totals have two digits.
    assert stage.total_steps * stage.batch_tokens == pytest.approx(row.tokens, rel=0.1)
    optimizer = stage.optimizer
    assert (optimizer.peak_learning_rate, optimizer.warmup_steps) == (row.peak, row.warmup)
    assert optimizer.peak_learning_rate * optimizer.final_fraction == pytest.approx(row.final)
    weights = spec.weights_of(stage)
    assert {name: weight / sum(weights.values()) for name, weight in weights.items()} == pytest.approx(row.shares)
    datasets = spec.datasets_of(stage)
    if row.documents is not None:
        low, high = row.documents
        assert [(each.documents.min_tokens, each.documents.max_tokens) for each in datasets] == [(low * 1000, high and high * 1000)]
    if row.frames is not None:
        most = max(each.frames.max_frames or 0 for each in datasets if each.kind == "vision")
        assert most == row.frames
        assert most * 257 + 4 <= stage.context_length, "a video of that many frames fills at most a row"


@pytest.mark.parametrize("row", PAPER, ids=lambda row: f"{row.training} {row.stage}")
def test_each_stage_packs_and_weighs_as_the_paper_does(row: Row) -> None:
    """Packed rows train as padded ones: what is no plain text is averaged by example, text and vision each by half (section 4.2)."""
    spec = training(row.training).spec
    stage = next(stage for stage in spec.stages if stage.name == row.stage)
    assert stage.packing == "mixed"
    has_vision, is_plain_text = spec.model.vision is not None, row.training == "lwm-text-1m"
    assert stage.loss.weighting == ("tokens" if is_plain_text else "examples")
    modalities = stage.loss.modalities
    assert (modalities is not None) == has_vision
    assert modalities is None or modalities.text == modalities.vision
    kinds = {each.name: each.kind for each in spec.datasets_of(stage)}
    assert {name for name, kind in kinds.items() if kind == "vision"} == (set(row.shares) - {"text"} if has_vision else set())
    generates = {each.name for each in spec.datasets_of(stage) if each.frames.unconditional > 0}
    assert generates == {name for name in row.shares if "generation" in name or (row.training == "lwm-1m" and name != "text")}


def test_the_examples_have_these_stages_and_no_others() -> None:
    assert {(name, stage.name) for name in STARTS for stage in training(name).spec.stages} == {(row.training, row.stage) for row in PAPER}
    assert {path.stem for path in EXAMPLES.glob("lwm-*.yaml")} == set(STARTS)


@pytest.mark.parametrize("name", STARTS)
def test_it_starts_from_the_model_before_and_prepares_its_data(name: str) -> None:
    spec = training(name).spec
    assert spec.model.init_from is not None
    assert f"/{STARTS[name]}" in (spec.model.init_from.uri or "")
    expected = LLAMA_2_7B.model_copy(update={"vision": Vision() if name in ("lwm-1m", "lwm-chat-1m") else None})
    assert spec.precision == MIXED
    assert spec.model.without_init_from.model_dump(exclude={"norm_epsilon"}) == expected.model_dump(exclude={"norm_epsilon"})
    assert all(dataset.preparation is not None for dataset in spec.datasets), "hundreds of hosts do not encode everything by themselves"
    assert all(dataset.documents.overlong != "split" for dataset in spec.datasets if dataset.kind != "text")


def test_the_pictures_of_the_vision_ladder_are_encoded_by_lwms_tokenizer_on_accelerators() -> None:
    whole, tokenizer = training("lwm-1m"), VqganConfig()
    encoded = [(number, each) for number, each in enumerate(whole.spec.datasets, start=1) if each.media is not None]
    assert [each.name for _, each in encoded] == ["images", "videos"]
    for number, dataset in encoded:
        frames = dataset.frames
        assert (frames.tokens_per_frame, frames.codebook_size) == (tokenizer.codes_per_frame, tokenizer.codebook_size)
        preparation = PreparationSpec(training=whole, number=number, run=0, image="lwm-trainer:1", template="t")
        host = prepare_config(preparation).host
        assert host is not None
        assert (host.hosts, host.platform) == (1, "tpu")
        pod = preparation_job(preparation)["spec"]["template"]["spec"]
        assert pod["containers"][0]["resources"]["limits"] == {"google.com/tpu": host.devices_per_host}


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("family", SLICES)
def test_it_moves_to_another_family_as_its_comment_says(name: str, family: str, tmp_path: Path) -> None:
    """Each stage has the mesh and the slices of the recipe's page, on which it was compiled and fits."""
    wanted = body(name)
    tpu = wanted["spec"]["accelerator"]["tpu"]
    if tpu["family"] != family:
        wanted["spec"]["accelerator"]["tpu"] = tpu = next(block for block in other_families(name) if block["family"] == family)
        for stage in wanted["spec"]["stages"]:
            stage["memory"] = other_memory(name)
    vision = "vision" in wanted["spec"]["model"]
    topology, slices = SLICES[family][vision]
    assert (tpu["topology"], tpu.get("slices", 1)) == (topology, slices)
    moved = parse_training(wanted)
    assert validate(moved.spec) == ()
    file = tmp_path / "moved.yaml"
    file.write_text(yaml.safe_dump(wanted))
    for number, (stage, run) in enumerate(stages(load(file), None), 1):
        _fits_as_compiled(run, stage.name if not vision else stage.name.replace("chat", "vision"), family)
        attempt = AttemptSpec(training=moved, stage=number, attempt=1, start=Start(), image="registry.invalid/lwm:none", template="t")
        assert len(jobs(attempt)) == slices


def _fits_as_compiled(run: RunConfig, stage: str, family: str) -> None:
    compiled = MESHES[stage.replace("chat", "text")]
    assert run.mesh.dp * run.mesh.fsdp == compiled.dp * compiled.fsdp
    assert (run.mesh.tp, run.mesh.sp, run.mesh.ulysses) == (compiled.tp, compiled.sp, compiled.ulysses)
    assert run.memory == MEMORY[family]
