import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BELOW_TESTS = ("benchmarks", "cli", "devcluster", "operator", "quickstart", "tools", "trainer")
ORDER = ("benchmarks", "quickstart", "devcluster", "tools")
"""Each imports only those after it."""


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """(file, top-level package) of each import below the folder."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                yield str(path.relative_to(ROOT)), name.partition(".")[0]


@pytest.mark.parametrize("folder", BELOW_TESTS)
def test_no_program_imports_tests(folder: str) -> None:
    tests = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} | {"tests", "conftest"}
    assert [(file, package) for file, package in imported(folder) if package in tests] == []


@pytest.mark.parametrize("folder", ORDER)
def test_programs_for_developers_import_each_other_in_one_order(folder: str) -> None:
    above = ORDER[: ORDER.index(folder)]
    assert [(file, package) for file, package in imported(folder) if package in above] == []


@pytest.mark.parametrize("folder", ["cli", "operator", "trainer"])
def test_what_is_shipped_imports_no_program_for_developers(folder: str) -> None:
    assert [(file, package) for file, package in imported(folder) if package in ORDER] == []


PARALLELISM = {
    *("all_gather", "all_to_all", "axis_index", "axis_size", "pbroadcast", "pcast", "pmax", "pmean", "pmin", "ppermute", "pshuffle"),
    *("psum", "psum_scatter", "pvary", "ragged_all_to_all"),
    *("mesh_utils", "multihost_utils", "pmap", "shard_map", "sharding", "set_mesh", "make_mesh", "use_mesh"),
    *("Mesh", "NamedSharding", "PartitionSpec", "with_sharding_constraint", "process_count", "process_index", "device_count", "devices"),
}
"""Names of JAX that know devices, meshes or their axes."""


def names_of_parallelism(source: str) -> list[str]:
    """Each such name that the source imports, or reads as an attribute, from anywhere."""
    used: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            used += [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.ImportFrom):
            used += [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            used.append(node.attr)
    return [name for name in used if name in PARALLELISM]


def test_the_model_knows_no_parallelism() -> None:
    """The model computes on whole tensors: the trainer's `parallel` and `ring` say what lies on which device."""
    files = list((ROOT / "trainer/lwm_trainer/model").rglob("*.py"))
    assert files
    assert {path.name: names for path in files if (names := names_of_parallelism(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import jax.sharding",
        "from jax.sharding import PartitionSpec as P",
        "from jax.experimental.shard_map import shard_map",
        "from jax.experimental import mesh_utils",
        "import jax\njax.shard_map(f)",
        "from jax import lax\nlax.psum(x, 'sp')",
        "from jax.lax import ppermute, all_gather",
        "import jax\njax.lax.axis_index('sp')",
    ],
)
def test_each_way_to_name_parallelism_is_seen(source: str) -> None:
    assert names_of_parallelism(source)
