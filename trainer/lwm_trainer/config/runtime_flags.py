"""Flags of the compiler and the runtime that the trainer sets, by platform, before JAX looks for devices.

A platform without an entry runs with its runtime's own defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

XLA_FLAGS = "XLA_FLAGS"
MEMORY_FRACTION = "XLA_CLIENT_MEM_FRACTION"
FORMER_MEMORY_FRACTION = "XLA_PYTHON_CLIENT_MEM_FRACTION"
"""The former name, which JAX still reads; it refuses a process that has both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFlag:
    """A flag with its value. The user's own value of the same flag or variable takes its place."""

    platform: Literal["gpu", "tpu"]
    variable: str
    """The environment variable that holds it."""
    flag: str = ""
    """The name of the flag within XLA_FLAGS; empty where the variable is the setting."""
    value: str
    reason: str
    source: str

    @property
    def text(self) -> str:
        return f"{self.flag}={self.value}" if self.flag else self.value


RUNTIME_FLAGS = (
    RuntimeFlag(
        platform="gpu",
        variable=XLA_FLAGS,
        flag="--xla_gpu_deterministic_ops",
        value="true",
        reason="a stage that was killed ends with the same bits: no sums by atomic operations (the embedding's gradient would be one), "
        "and no choice of kernels by measured times",
        source="XLA xla/debug_options_flags.cc (guarantees run-to-run determinism on GPU)",
    ),
    RuntimeFlag(
        platform="gpu",
        variable=XLA_FLAGS,
        flag="--xla_gpu_enable_latency_hiding_scheduler",
        value="true",
        reason="hops of the ring and gathers of parameters run beside computation",
        source="https://docs.jax.dev/en/latest/gpu_performance_tips.html; https://docs.nvidia.com/jax-toolbox/environment-variables",
    ),
    RuntimeFlag(
        platform="gpu",
        variable=XLA_FLAGS,
        flag="--xla_gpu_experimental_parallel_collective_overlap_limit",
        value="4",
        reason="a hop of the ring has four permutes, keys, values and both gradients, and XLA keeps one in flight by default",
        source="XLA xla/debug_options_flags.cc",
    ),
    RuntimeFlag(
        platform="gpu",
        variable=MEMORY_FRACTION,
        value="0.9",
        reason="JAX takes 75 % of a GPU's memory by default; NCCL and CUDA need some of the rest",
        source="https://docs.nvidia.com/jax-toolbox/performance-profiling/gpu-performance (0.9 or 0.8); jaxlib 0.10.2 xla_client.py",
    ),
)


def runtime_environment(platform: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to set on a platform, given those that are set: the table's flags, and behind them the user's."""
    own = [flag for flag in RUNTIME_FLAGS if flag.platform == platform]
    variables: dict[str, str] = {}
    for variable in dict.fromkeys(flag.variable for flag in own):
        given = environment.get(variable, "")
        if variable == XLA_FLAGS:
            named = {word.partition("=")[0] for word in given.split()}
            words = [flag.text for flag in own if flag.variable == variable and flag.flag not in named]
            variables[variable] = " ".join([*words, *([given] if given else [])])
        elif not given and not (variable == MEMORY_FRACTION and environment.get(FORMER_MEMORY_FRACTION)):
            variables[variable] = next(flag.value for flag in own if flag.variable == variable)
    return variables
