"""Warnings about a spec that can be run but will probably not give the intended result. They never refuse a spec."""

from lwm_operator.api.spec import Spec
from lwm_trainer.config import FITTED_HEAD_DIM, least_theta


def warnings(spec: Spec) -> tuple[str, ...]:
    """Sentences that name the field and the fix; empty without a warning.

    Models with rope scaling are exempt: the bound was fitted to the plain embedding, and the scaling slows the same channels by a factor of
    its own.
    """
    if spec.model.rope_scaling is not None:
        return ()
    dim = spec.model.head_dim
    fitted = f"fitted to heads of {FITTED_HEAD_DIM}" + (f"; these have {dim}" if dim != FITTED_HEAD_DIM else "")
    return tuple(
        f"spec.stages[{stage.name}].ropeTheta: {stage.rope_theta:.3g} lies below {least:.3g}, the least for {stage.context_length} tokens "
        f"(arXiv 2405.14591, {fitted}): the loss falls all the same, but retrieval over the whole context may fail: raise it"
        for stage in spec.stages
        if stage.rope_theta < (least := least_theta(stage.context_length))
    )
