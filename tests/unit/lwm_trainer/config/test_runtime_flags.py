"""Which flags a process gets, beside those that the user set, and that this jaxlib knows each of them."""

import os
import subprocess
import sys

import pytest

from lwm_trainer.config.runtime_flags import RUNTIME_FLAGS, XLA_FLAGS, runtime_environment


def test_gpus_are_deterministic_overlap_hops_and_get_most_of_their_memory() -> None:
    assert runtime_environment("gpu", {}) == {
        "XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_gpu_enable_latency_hiding_scheduler=true "
        "--xla_gpu_experimental_parallel_collective_overlap_limit=4",
        "XLA_CLIENT_MEM_FRACTION": "0.9",
    }


def test_a_flag_of_the_user_takes_the_place_of_ours_and_any_other_comes_behind() -> None:
    given = {"XLA_FLAGS": "--xla_gpu_deterministic_ops=false --xla_dump_to=/tmp", "XLA_CLIENT_MEM_FRACTION": "0.5"}
    assert runtime_environment("gpu", given) == {
        "XLA_FLAGS": "--xla_gpu_enable_latency_hiding_scheduler=true --xla_gpu_experimental_parallel_collective_overlap_limit=4 "
        "--xla_gpu_deterministic_ops=false --xla_dump_to=/tmp",
    }


def test_a_memory_fraction_by_its_former_name_is_left_alone_because_jax_refuses_both() -> None:
    assert "XLA_CLIENT_MEM_FRACTION" not in runtime_environment("gpu", {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"})


def test_tpus_run_with_the_defaults_that_the_recipe_is_compiled_with() -> None:
    assert runtime_environment("tpu", {}) == {}


@pytest.mark.parametrize("more", ["", " --xla_no_such_flag=1"])
def test_this_jaxlib_knows_each_flag(more: str) -> None:
    """XLA ends a process that has a flag which it does not know, on every platform."""
    flags = " ".join(flag.text for flag in RUNTIME_FLAGS if flag.variable == XLA_FLAGS) + more
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    code = "import jaxlib.xla_client as client; client.make_cpu_client()"
    end = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (end.returncode == 0) == (not more), end.stderr
