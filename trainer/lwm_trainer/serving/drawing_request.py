"""What requests for pictures and for clips have in common: their fields, what is checked of them, and how tokens are drawn."""

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from lwm_trainer.sampling.settings import MAX_SEED, Filters
from lwm_trainer.serving.chat_request import require_model
from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.request_body import Fields, given_fields

if TYPE_CHECKING:
    from lwm_trainer.serving.vision_media import VisionMedia


class DrawingRequest(Fields):
    """The common fields. `seed` and what follows it are no part of OpenAI's API."""

    model: str
    prompt: str
    size: str = "auto"
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    temperature: float | None = Field(None, ge=0)
    top_k: int | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    min_p: float | None = Field(None, ge=0, le=1)
    guidance: float = Field(1.0, ge=0)

    def require_possible(self, media: "VisionMedia", model: str, rows: int) -> None:
        """Raises ApiError for another model, a size that its frames have not, and guidance for which the cache has no second row."""
        require_model(self.model, model)
        side = media.tokenizer.config.image_size
        if self.size not in ("auto", f"{side}x{side}"):
            message = f"size: pictures of this model have {side}x{side} pixels: give that or auto"
            raise ApiError(400, message, code="invalid_value", param="size")
        if self.guidance != 1 and rows < 2:
            message = "guidance needs two rows of the cache: start the server with --rows 2, or leave it out"
            raise ApiError(400, message, code="invalid_value", param="guidance")

    def filters(self, defaults: Filters) -> Filters:
        """How tokens are drawn: as the request says, else by the server's defaults."""
        return replace(defaults, **given_fields(self, "temperature", "top_k", "top_p", "min_p"))

    def seed_or_random(self) -> int:
        return secrets.randbelow(MAX_SEED + 1) if self.seed is None else self.seed
