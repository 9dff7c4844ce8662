import pytest
import yaml

from lwm_trainer.config import Model, Vision
from lwm_trainer.convert.spec_block import spec_block

PLAIN = Model(layers=2, width=64, heads=4, kv_heads=2, head_dim=16, mlp_width=128, vocab_size=512, norm_epsilon=1e-6)


@pytest.mark.parametrize("model", [PLAIN, PLAIN.model_copy(update={"tied_embeddings": True, "vision": Vision(vocab_size=8448)})])
def test_the_block_is_the_model_that_starts_from_the_folder(model: Model) -> None:
    block = yaml.safe_load(spec_block("gs://bucket/a b", model))["spec"]["model"]
    assert block.pop("initFrom") == {"uri": "gs://bucket/a b"}
    # PyYAML reads 1e-06 as text; kubectl and `lwm` read a number.
    assert Model.read(block | {"normEpsilon": float(block["normEpsilon"])}) == model
