"""Which trainer image the attempts of a stage use: that of spec.image, else the installation's at the time when the stage began.

An upgrade of the chart in the middle of a stage does not change the program that trains it; the next stage takes the new image.
"""

from lwm_operator.api.spec import Spec
from lwm_operator.api.stage_status import ImageSource, StageStatus
from lwm_operator.plan.observed import JobView


def pin_image(entry: StageStatus, spec: Spec, installed: str) -> StageStatus:
    """The entry with the image of its next attempt. `installed` is the trainer image of the operator's installation."""
    if spec.image:
        return entry.model_copy(update={"image": spec.image, "image_source": ImageSource.SPEC})
    if entry.image and entry.image_source == ImageSource.INSTALLATION:
        return entry
    return entry.model_copy(update={"image": installed, "image_source": ImageSource.INSTALLATION})


def recover_image(entry: StageStatus, spec: Spec, job: JobView | None) -> StageStatus:
    """The entry of an attempt that the status has lost, with the image of its Job."""
    if job is None or not job.image:
        return entry
    source = ImageSource.SPEC if job.image == spec.image else ImageSource.INSTALLATION
    return entry.model_copy(update={"image": job.image, "image_source": source})
