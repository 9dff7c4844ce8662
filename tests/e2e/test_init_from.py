"""A Hugging Face Llama gives a training its first parameters, and the last ones become a Hugging Face Llama again, on real pods; a
checkpoint that a training cannot start from is named."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models

from devcluster.installation import namespace
from devcluster.paths import REPOSITORY, Cluster
from devcluster.trainings import BUCKET, events, manifest, stage_manifest, status, wait_for_complete
from e2e.persistent_volume import Offer
from lwm_trainer.checkpoint.manifest import read_manifest
from lwm_trainer.model import llama
from lwm_trainer.model.llama import Params
from quickstart.claim import FOLDER, NAME, Claim, claim
from tools.kubectl import Kubectl

pytestmark = pytest.mark.embedded
THEIRS = REPOSITORY / "tests" / "convert" / "grouped"
"""As transformers wrote it."""
MODEL = {"layers": 2, "width": 32, "heads": 4, "kvHeads": 1, "headDim": 8, "mlpWidth": 40, "vocabSize": 64}
PIECES = ("<s>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,:;\n")
LENGTH, THETA, STEPS = 128, 50.0, 4


@pytest.fixture(scope="module")
def shelf(cluster: Cluster, kubectl: Kubectl, built: tuple[str, str], volume: Offer) -> Iterator[Claim]:
    """A claim in a namespace of its own; on it the model with a tokenizer of letters."""
    letters = Tokenizer(models.BPE({piece: number for number, piece in enumerate(PIECES)}, [], unk_token=PIECES[2]))
    files = {name: (THEIRS / name).read_bytes() for name in ("config.json", "model.safetensors")}
    files["tokenizer.json"] = letters.to_str().encode()
    with namespace(cluster, "llama") as inside:
        volume(inside.namespace)
        with claim(inside, built[1]) as filled:
            filled.fill({f"theirs/{name}": content for name, content in files.items()})
            yield filled


def convert(shelf: Claim, *words: str) -> str:
    """In the claim's pod, which has the trainer's image, as docs/guides/checkpoints.md has it; all that is printed."""
    endpoint = manifest("")["spec"]["checkpoint"]["endpoint"]
    variables = (f"{name}={endpoint}" for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL"))
    command = ("env", "GOOGLE_CLOUD_PROJECT=lwm", *variables, "python", "-m", "lwm_trainer.convert", *words)
    return shelf.kubectl("exec", NAME, "--", "sh", "-c", 'exec "$@" 2>&1', "sh", *command)


def short(name: str, place: dict[str, Any], **model: Any) -> dict[str, Any]:
    """One stage of a few steps on two hosts."""
    training = manifest(name, stages=[stage_manifest("ctx128", LENGTH, THETA, {"fsdp": 2, "sp": 2}, STEPS)])
    training["spec"] |= {"model": MODEL | model | {"initFrom": place}, "tokenizer": on_claim("theirs")}
    return training


def on_claim(folder: str) -> dict[str, Any]:
    return {"pvc": {"claimName": NAME, "subPath": folder}}


@dataclass(frozen=True)
class Story:
    checkpoint: str
    """The final checkpoint of the training `heir`, in the bucket."""
    exported: Path
    output: str
    """What the export printed."""


@pytest.fixture(scope="module")
def heir(shelf: Claim, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """From the claim to a checkpoint in the bucket and back to the claim."""
    convert(shelf, "from-hf", f"{FOLDER}/theirs", f"{FOLDER}/imported/llama")
    for training in (
        short("heir", on_claim("imported/llama")),
        short("lost", {"uri": f"gs://{BUCKET}/nowhere"}),
        short("empty", on_claim("nowhere")),
    ):
        shelf.kubectl.apply(training)
    wait_for_complete(shelf.kubectl, "heir")
    checkpoint = status(shelf.kubectl, "heir")["stages"][0]["finalCheckpoint"]["path"]
    output = convert(shelf, "to-hf", checkpoint, f"{FOLDER}/exported", "--tokenizer", f"{FOLDER}/theirs/tokenizer.json")
    folder = tmp_path_factory.mktemp("claim")
    shelf.fetch(["exported"], folder)
    return Story(checkpoint, folder / "exported", output)


def parameters(checkpoint: str) -> Params:
    """On one device, wherever they lay."""
    one_device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = llama.abstract(read_manifest(checkpoint).model)
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=one_device), shapes)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        params: Params = checkpointer.restore(
            epath.Path(checkpoint), args=ocp.args.Composite(params=ocp.args.StandardRestore(target))
        ).params
    return params


def test_what_is_exported_are_the_trainings_last_parameters(heir: Story) -> None:
    params = parameters(heir.checkpoint)
    exported = load_file(heir.exported / "model.safetensors")
    assert len(exported) == 3 + 9 * MODEL["layers"]
    np.testing.assert_array_equal(exported["model.embed_tokens.weight"], params["ends"]["embedding"])
    np.testing.assert_array_equal(exported["lm_head.weight"], np.asarray(params["ends"]["head"]).T)
    for layer in range(MODEL["layers"]):
        attention, mlp = ({name: np.asarray(leaf[layer]) for name, leaf in params["layers"][part].items()} for part in ("attention", "mlp"))
        name = f"model.layers.{layer}"
        for theirs, ours in (("q", "query"), ("k", "key"), ("v", "value")):
            np.testing.assert_array_equal(exported[f"{name}.self_attn.{theirs}_proj.weight"], attention[ours].reshape(32, -1).T)
        np.testing.assert_array_equal(exported[f"{name}.self_attn.o_proj.weight"], attention["output"].reshape(32, 32).T)
        for part in ("gate", "up", "down"):
            np.testing.assert_array_equal(exported[f"{name}.mlp.{part}_proj.weight"], mlp[part].T)


def test_they_are_the_imported_ones_a_few_steps_on(heir: Story) -> None:
    """Those that a seed draws would be as far away as they are large."""
    before, after = load_file(THEIRS / "model.safetensors"), load_file(heir.exported / "model.safetensors")
    assert before.keys() == after.keys()
    for name in before:
        assert 0 < np.abs(after[name] - before[name]).max() < np.abs(before[name]).max() / 20, name


def test_the_config_is_the_imported_one_with_the_stages_length_and_theta(heir: Story) -> None:
    theirs, ours = (json.loads((folder / "config.json").read_bytes()) for folder in (THEIRS, heir.exported))
    ids = {"bos_token_id": PIECES.index("<s>"), "eos_token_id": PIECES.index("</s>")}
    expected = theirs | ids | {"max_position_embeddings": LENGTH, "rope_parameters": {"rope_type": "default", "rope_theta": THETA}}
    common = expected.keys() & ours.keys()
    assert common >= {"architectures", "hidden_size", "num_key_value_heads", "rms_norm_eps", "rope_parameters", "vocab_size"}
    assert {key: ours[key] for key in common} == {key: expected[key] for key in common}
    assert ours["rope_theta"] == THETA
    assert Tokenizer.from_file(str(heir.exported / "tokenizer.json")).get_vocab_size() == len(PIECES)


def test_a_bucket_without_credentials_is_asked_for_none(heir: Story) -> None:
    assert "to-hf: 0.000 of 0.000 GB" in heir.output
    assert "credentials" not in heir.output


def test_events_say_what_it_began_with_and_that_its_theta_is_low(shelf: Claim, heir: Story) -> None:
    notes = {event["reason"]: event["note"] for event in events(shelf.kubectl, "heir")}
    assert notes["StageStarted"].endswith(f"from spec.model.initFrom: claim {NAME}, folder imported/llama")
    assert notes["SpecWarning"].startswith("spec.stages[ctx128].ropeTheta: 50 lies below 114, the least for 128 tokens")
    assert "ropeTheta" not in status(shelf.kubectl, "heir")["message"]


def test_what_it_cannot_begin_with_is_named(shelf: Claim, heir: Story) -> None:
    shelf.kubectl.apply(short("stranger", {"uri": heir.checkpoint}, heads=2))
    for name, words in (
        ("stranger", f"spec.model.initFrom: {heir.checkpoint}: model.heads is 4 there, but 2 in this training"),
        ("lost", f"spec.model.initFrom: gs://{BUCKET}/nowhere: there is no such folder"),
        ("empty", "spec.model.initFrom: /lwm/init: manifest/metadata is missing, so this is not a checkpoint"),
    ):
        shelf.kubectl("wait", "--for=condition=Failed", f"lwmtraining/{name}", "--timeout=300s", seconds=330)
        failed = status(shelf.kubectl, name)
        assert (failed["reason"], failed["stages"][0]["attempts"]) == ("BadCheckpoint", 1)
        assert words in failed["message"]
