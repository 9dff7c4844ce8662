"""The card of an exported model says where it comes from."""

from pathlib import Path

from lwm_trainer.checkpoint.manifest import make_manifest
from lwm_trainer.convert.config_json import ModelConfig
from lwm_trainer.convert.model_card import model_card
from support.builders import a_run
from unit.lwm_trainer.convert.test_round_trip import MODELS, there_and_back


def test_the_card_of_a_conversion_says_what_it_was_made_of(tmp_path: Path) -> None:
    card = (there_and_back(MODELS / "llama2", tmp_path, "--theta", "1e6") / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    for line in (
        "- Origin: converted from huggingface:llama2, not trained since",
        "- Context length: 256 tokens",
        "- rope_theta: 1000000.0, set at export; trained with 10000.0",
        "- Tokenizer: not in this folder",
    ):
        assert f"{line}\n" in card
    assert "license" in card


def test_the_card_of_a_training_names_its_stage_and_step() -> None:
    run = a_run()
    manifest = make_manifest(run, run.mesh, "cafe", 7)
    card = model_card(manifest, ModelConfig(manifest.model, manifest.rope_theta, manifest.context_length), "bfloat16", tokenizer=False)
    assert (
        f"- Origin: training {run.training}, stage {run.stage}, attempt {run.attempt}, step 7, after {7 * run.batch_tokens} tokens" in card
    )
    assert "- Tokenizer: not in this folder; SHA-256 of its tokenizer.json: cafe\n" in card
