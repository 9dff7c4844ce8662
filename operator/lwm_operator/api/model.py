"""The model, and the parameters from which the first stage starts."""

from pydantic import Field

from lwm_operator.api.storage import Location
from lwm_trainer.config import Model


class InitialModel(Model):
    """A Llama-family decoder and its initial parameters. Widths are numbers of activations."""

    init_from: Location | None = Field(
        default=None,
        description="Initial parameters of the first stage: a folder written by `lwm convert`, or the final checkpoint of another training "
        "(status.stages[].finalCheckpoint.path). All other fields of model must match it. Default: random parameters from seed.",
    )

    @property
    def without_init_from(self) -> Model:
        """The model without `init_from`, for the run config."""
        return Model.model_validate(self.model_dump(exclude={"init_from"}))
