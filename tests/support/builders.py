"""Objects for tests, with the fields that a test does not care about filled in."""

from typing import Any

from lwm_trainer import config
from lwm_trainer.runtime.step_report import StepReport

ALONE: dict[str, Any] = {
    "gang": {"job": "t-s1-a1", "service": "t", "hosts": 1, "devices_per_host": 1, "platform": "cpu", "coordinator": "x:1"},
    "mesh": {},
    "model": {"layers": 1, "width": 8, "heads": 1, "kv_heads": 1, "head_dim": 8, "mlp_width": 8, "vocab_size": 5000},
    "datasets": [{"name": "books", "kind": "text", "uri": "/books"}],
    "rope_theta": 100.0,
}
"""Changes for `a_run` where one device and a model that is never computed will do."""


SEVEN_B: dict[str, Any] = {
    "layers": 32,
    "width": 4096,
    "heads": 32,
    "kv_heads": 32,
    "head_dim": 128,
    "mlp_width": 11008,
    "vocab_size": 32000,
}
"""Llama 2 7B, for what only looks at it."""


def tpus(devices: int, slices: int = 1) -> dict[str, Any]:
    """A gang of TPU hosts of four chips."""
    hosts = {"slices": slices, "hosts": devices // 4, "devices_per_host": 4}
    return {"job": "t", "service": "t", "platform": "tpu", "coordinator": "x:1"} | hosts


def a_run(**changes: Any) -> config.RunConfig:
    fields: dict[str, Any] = {
        "training": "t",
        "stage": "s",
        "stage_index": 0,
        "stage_count": 1,
        "attempt": 1,
        "gang": {"job": "t-s1-a1", "service": "t", "hosts": 1, "devices_per_host": 8, "platform": "cpu", "coordinator": "x:1"},
        "mesh": {"sp": 8},
        "model": {"layers": 2, "width": 64, "heads": 4, "kv_heads": 2, "head_dim": 16, "mlp_width": 128, "vocab_size": 128},
        "tokenizer": "/tokenizer.json",
        "datasets": [{"name": "d", "kind": "text", "uri": "/texts"}],
        "context_length": 64,
        "batch_tokens": 512,
        "rope_theta": 1e4,
        "steps": 3,
        "optimizer": {"peak_learning_rate": 0.01},
        "checkpoint": {"root": "/runs", "save_interval_steps": 1},
    }
    return config.RunConfig(**(fields | changes))


def a_step_report(step: int = 1, **changes: Any) -> StepReport:
    fields: dict[str, Any] = {"loss": 5.0, "grad_norm": 0.25, "tokens_hash": 7, "seconds": 1.0, "batch_tokens": 4096, "param_norm": 8.0}
    fields |= changes
    fields = {"tokens_seen": step * fields["batch_tokens"], "batch_positions": fields["batch_tokens"]} | fields
    return StepReport(step=step, **fields)
