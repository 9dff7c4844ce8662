import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer.config import Mesh
from lwm_trainer.parallel import mesh
from lwm_trainer.step import fingerprint


def example() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    random = np.random.default_rng(0)
    return {"a": random.standard_normal((8, 16), dtype=np.float32), "b": random.standard_normal((4, 8, 2), dtype=np.float32)}


def test_the_hash_is_the_same_on_any_mesh() -> None:
    hashes_by_mesh = set()
    for shape, axes in ((Mesh(fsdp=8), ("embed", "mlp")), (Mesh(tp=2, sp=4), ("mlp", "embed"))):
        sharding = mesh.shardings(mesh.make_mesh(shape), {"a": axes, "b": ("norm", "embed", "norm")})
        tree = jax.tree.map(jax.device_put, example(), sharding)
        hashes_by_mesh.add(fingerprint.to_hex(jax.jit(fingerprint.tree_hash)(tree)))
    assert len(hashes_by_mesh) == 1


def test_one_flipped_bit_or_two_swapped_elements_or_leaves_change_it() -> None:
    tree = example()
    flipped = tree | {"a": tree["a"].copy()}
    flipped["a"].view(np.uint32)[3, 5] ^= 1
    swapped = tree | {"a": tree["a"][::-1].copy()}
    leaves = {"a": tree["b"], "b": tree["a"]}
    hashes = {fingerprint.to_hex(fingerprint.tree_hash(each)) for each in (tree, flipped, swapped, leaves)}
    assert len(hashes) == 4


def test_a_batch_is_the_same_in_any_order_of_columns_but_not_of_values() -> None:
    random = np.random.default_rng(0)
    tokens, index = random.integers(0, 99, (2, 16)), np.tile(np.arange(16), (2, 1))
    order = random.permutation(16)
    same = {int(fingerprint.batch_hash(jnp.array(i), jnp.array(t))) for i, t in ((index, tokens), (index[:, order], tokens[:, order]))}
    assert len(same) == 1
    assert int(fingerprint.batch_hash(jnp.array(index), jnp.array(tokens[::-1].copy()))) not in same
