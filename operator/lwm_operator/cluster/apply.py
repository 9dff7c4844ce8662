"""Carry out a plan's actions. Each may be repeated: what is already so stays as it is."""

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths, views
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.cluster.port import NameConflictError
from lwm_operator.manifests.attempt import companions
from lwm_operator.manifests.common import AttemptSpec, Manifest
from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.preparation import PreparationSpec, preparation_companions, preparation_job
from lwm_operator.plan.actions import Action, CleanUp, CreateAttempt, CreatePreparation, DeleteAttempt, DeletePod, DeletePreparation


async def carry_out(client: Client, training: Training, action: Action, default_image: str) -> None:
    """Raises `ApiError`, or `NameConflictError` when an object of that name is not this training's."""
    namespace = training.metadata.namespace
    image = training.spec.image or default_image
    match action:
        case CreateAttempt():
            run = AttemptSpec(
                training=training,
                stage=action.stage,
                attempt=action.attempt,
                start=action.start,
                image=image,
                template=action.template,
                avoided_nodes=action.avoided_nodes,
                prepared=dict(action.prepared),
            )
            await _create(client, training, companions(run), jobs(run))
        case CreatePreparation():
            made = PreparationSpec(training=training, number=action.number, run=action.run, image=image, template=action.template)
            await _create(client, training, preparation_companions(made), (preparation_job(made),))
        case DeletePod():
            await client.delete(paths.item("Pod", namespace, action.name), action.uid, grace_seconds=action.grace_seconds)
        case DeleteAttempt():
            await _delete_attempt(client, training, action)
        case DeletePreparation():
            await _delete(client, training, action.name, ((action.name, action.uid),))
        case CleanUp():
            # The Service before the last Job: as long as a Job is there, the rest is tried again.
            await _delete_ours(client, training, "Service", training.metadata.name)
            for attempt in action.attempts:
                await _delete_attempt(client, training, attempt)
            for preparation in action.preparations:
                await _delete(client, training, preparation.name, ((preparation.name, preparation.uid),))


async def _create(client: Client, training: Training, needs: tuple[Manifest, ...], made: tuple[Manifest, ...]) -> None:
    """What the Jobs need is applied first, then each Job is created once; one that is already there is ours or an error."""
    for manifest in needs:
        path = paths.item(manifest["kind"], training.metadata.namespace, manifest["metadata"]["name"])
        _own(training, manifest["kind"], await client.get(path))
        await client.patch(path, manifest, Patch.APPLY, manager=names.FIELD_MANAGER)
    for manifest in made:
        await _create_job(client, training, manifest)


async def _create_job(client: Client, training: Training, manifest: Manifest) -> None:
    name, place = manifest["metadata"]["name"], paths.collection("Job", training.metadata.namespace)
    try:
        await client.call("POST", place, query={"fieldManager": names.FIELD_MANAGER}, body=manifest)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        there = await client.get(f"{place}/{name}")
        _own(training, "Job", there)
        if there is not None and _purpose(there) != _purpose(manifest):
            raise NameConflictError(f"Job {name} carries another one's labels: delete it") from error


def _purpose(job: Body) -> tuple[object, ...]:
    """The attempt or the preparation that the Job is for, by its labels."""
    return views.numbers(job), views.preparation_of(job)


async def _delete_attempt(client: Client, training: Training, action: DeleteAttempt) -> None:
    await _delete(client, training, names.job_name(training.metadata.name, action.stage, action.attempt), action.jobs)


async def _delete(client: Client, training: Training, name: str, made: tuple[tuple[str, str], ...]) -> None:
    """What was made under the name, and its Jobs (name and uid). These go last: as long as one is there, the rest is tried again."""
    for kind in ("RoleBinding", "Role", "ServiceAccount", "Lease", "ConfigMap"):
        await _delete_ours(client, training, kind, name)
    for job_name, uid in made:
        await client.delete(paths.item("Job", training.metadata.namespace, job_name), uid)


async def _delete_ours(client: Client, training: Training, kind: str, name: str) -> None:
    path = paths.item(kind, training.metadata.namespace, name)
    there = await client.get(path)
    if there is not None and views.owned(there, training.metadata.uid):
        await client.delete(path, there["metadata"]["uid"])


def _own(training: Training, kind: str, there: Body | None) -> None:
    if there is not None and not views.owned(there, training.metadata.uid):
        name = there["metadata"]["name"]
        raise NameConflictError(f"{kind} {name} exists and is not this training's: delete it, or give the training another name")
