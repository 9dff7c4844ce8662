"""The CustomResourceDefinition, generated from the models."""

from typing import Any

from lwm_operator.api import names
from lwm_operator.api.schema import structural
from lwm_operator.api.training import Training

COLUMNS = (
    ("Stage", "string", ".status.summary.stage", 0, "Number of the current stage, number of stages, and its name."),
    ("Phase", "string", ".status.phase", 0, "Phase of the training."),
    ("Step", "string", ".status.summary.step", 0, "Completed and total steps of the stage."),
    ("Loss", "string", ".status.summary.loss", 0, "Loss of the newest step, in nats per token."),
    ("Tok/s", "string", ".status.summary.tokensPerSecond", 0, "Throughput of all hosts in tokens per second."),
    ("Restarts", "integer", ".status.summary.restarts", 0, "Number of attempts after the first of each stage."),
    ("Reason", "string", ".status.reason", 0, "Reason of the phase: docs/reasons.md."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Time since creation."),
    ("Hosts", "string", ".status.summary.hosts", 1, "Running and desired hosts."),
    ("Checkpoint", "string", ".status.summary.checkpoint", 1, "Step of the stage's newest checkpoint."),
    ("ETA", "string", ".status.summary.eta", 1, "Estimated time to the end of the stage."),
    ("Attempt", "integer", ".status.attempt", 1, "Number of the current attempt of the stage."),
    ("Image", "string", ".status.summary.image", 1, "Trainer image of the stage."),
    ("Message", "string", ".status.message", 1, "Explanation of the phase in one line."),
)


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as a manifest."""
    schema = structural(Training)
    properties = schema["properties"]
    schema["description"] = (
        "A training in stages of growing context length. Each stage runs as a gang of pods and starts from the previous stage's checkpoint."
    )
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": properties["spec"],
        "status": _without_defaults(properties["status"]),
    }
    schema["required"] = ["spec"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _without_defaults(node: Any) -> Any:
    """The schema without defaults. The operator writes the whole status, and the API server must add nothing to it."""
    if isinstance(node, dict):
        return {key: _without_defaults(value) for key, value in node.items() if key != "default"}
    return node


def _column(name: str, kind: str, path: str, priority: int, description: str) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": priority} if priority else {})
