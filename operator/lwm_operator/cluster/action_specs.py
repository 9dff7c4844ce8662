"""What manifests are made from, by the action that creates them."""

from lwm_operator.api.training import Training
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.preparation import PreparationSpec
from lwm_operator.plan.actions import CreateAttempt, CreatePreparation


def attempt_spec(training: Training, action: CreateAttempt, image: str, *, fixed_user: bool = True) -> AttemptSpec:
    """`image` is used where the stage has pinned none; `fixed_user` as in AttemptSpec."""
    return AttemptSpec(
        training=training,
        stage=action.stage,
        attempt=action.attempt,
        start=action.start,
        image=action.image or image,
        template=action.template,
        avoided_nodes=action.avoided_nodes,
        avoided_node_pools=action.avoided_node_pools,
        prepared=dict(action.prepared),
        fixed_user=fixed_user,
    )


def preparation_spec(training: Training, action: CreatePreparation, image: str, *, fixed_user: bool = True) -> PreparationSpec:
    return PreparationSpec(
        training=training, number=action.number, run=action.run, image=image, template=action.template, fixed_user=fixed_user
    )
