"""What is trained, and the parameters that it begins with."""

from pydantic import Field

from lwm_operator.api.storage import Location
from lwm_trainer.config import Model


class InitialModel(Model):
    """A Llama-family decoder, and where its first parameters come from. Widths are in units of one activation."""

    init_from: Location | None = Field(
        default=None,
        description="The first stage's parameters: a folder that `lwm convert` wrote, or the final checkpoint of another training (its "
        "status.stages[].finalCheckpoint.path). Every other field of model must be as there. Default: drawn from the seed.",
    )

    @property
    def plain(self) -> Model:
        """What manifests compare: two models are equal wherever their parameters came from."""
        return Model.model_validate(self.model_dump(exclude={"init_from"}))
