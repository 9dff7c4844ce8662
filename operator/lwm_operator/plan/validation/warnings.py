"""Warnings about a spec that can be run but will probably not give the intended result. They never refuse a spec."""

from collections.abc import Iterator

from lwm_operator.api.spec import Spec
from lwm_operator.api.variables import operator_variables
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.overrides import overriding_node_labels, overriding_variables
from lwm_trainer.config import FITTED_HEAD_DIM, least_theta


def warnings(spec: Spec) -> tuple[str, ...]:
    """Sentences that name the field and the fix; empty without a warning."""
    return (*dict.fromkeys(_overridden(spec)), *_low_thetas(spec))


def _overridden(spec: Spec) -> Iterator[str]:
    """Settings of the pod template in whose place the operator's own are used."""
    template = spec.pod_template
    for stage in spec.stages:
        accelerator = spec.accelerator_of(stage)
        try:
            labels = overriding_node_labels(accelerator)
        except PlatformError:  # an error of validation
            labels = {}
        for key, value in (template.node_selector or {}).items():
            if labels.get(key, value) != value:
                yield f"spec.podTemplate.nodeSelector[{key}]: spec.accelerator sets it to {labels[key]}, which is used: remove it here"
        for variable in template.env:
            if variable.name in operator_variables(spec) or variable.name in overriding_variables(accelerator):
                yield f"spec.podTemplate.env[{variable.name}]: the operator sets it itself, and its value is used: remove it here"


def _low_thetas(spec: Spec) -> tuple[str, ...]:
    """Stages whose theta lies below the published bound.

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
