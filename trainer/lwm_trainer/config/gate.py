"""The gate of a stage: the condition under which it is complete."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract

GATE_VERSION = 4
"""The first contract version whose trainers know gates. An older one would let every stage through."""


class Gate(Contract):
    """A bound on the loss of the validation after the last step."""

    max_validation_loss: Annotated[float, Field(gt=0)]
    """Greatest mean loss of all its targets, in nats."""
