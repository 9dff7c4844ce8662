"""Carry out a plan's actions. Each may be repeated: what is already so stays as it is."""

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths, views
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.manifests.attempt import companions
from lwm_operator.manifests.common import Manifest, Run
from lwm_operator.manifests.job import jobs
from lwm_operator.plan.result import Action, CleanUp, CreateAttempt, DeleteAttempt, DeletePod


class TakenError(Exception):
    """A name that we need belongs to somebody else."""


async def carry_out(client: Client, training: Training, action: Action, default_image: str) -> None:
    """Raises `ApiError`, or `TakenError` when an object of that name is not this training's."""
    namespace = training.metadata.namespace
    match action:
        case CreateAttempt():
            image = training.spec.image or default_image
            run = Run(
                training=training,
                stage=action.stage,
                attempt=action.attempt,
                start=action.start,
                image=image,
                template=action.template,
                avoided_nodes=action.avoided_nodes,
            )
            await _create(client, run)
        case DeletePod():
            await client.delete(paths.item("Pod", namespace, action.name), action.uid, grace_seconds=action.grace_seconds)
        case DeleteAttempt():
            await _delete_attempt(client, training, action)
        case CleanUp():
            # The Service before the last Job: as long as a Job is there, the rest is tried again.
            await _delete_ours(client, training, "Service", training.metadata.name)
            for attempt in action.attempts:
                await _delete_attempt(client, training, attempt)


async def _create(client: Client, run: Run) -> None:
    """What the Jobs need is applied first, then each Job is created once; one that is already there is ours or an error."""
    namespace = run.training.metadata.namespace
    for manifest in companions(run):
        path = paths.item(manifest["kind"], namespace, manifest["metadata"]["name"])
        _own(run.training, manifest["kind"], await client.get(path))
        await client.patch(path, manifest, Patch.APPLY, manager=names.FIELD_MANAGER)
    for manifest in jobs(run):
        await _create_job(client, run, manifest)


async def _create_job(client: Client, run: Run, manifest: Manifest) -> None:
    name, place = manifest["metadata"]["name"], paths.collection("Job", run.training.metadata.namespace)
    try:
        await client.call("POST", place, query={"fieldManager": names.FIELD_MANAGER}, body=manifest)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        there = await client.get(f"{place}/{name}")
        _own(run.training, "Job", there)
        if there is not None and views.job_view(there).attempt != run.attempt:
            raise TakenError(f"Job {name} carries another attempt's label: delete it") from error


async def _delete_attempt(client: Client, training: Training, action: DeleteAttempt) -> None:
    """The Jobs go last: as long as one is there, the rest is tried again."""
    name = names.job_name(training.metadata.name, action.stage, action.attempt)
    for kind in ("RoleBinding", "Role", "ServiceAccount", "Lease", "ConfigMap"):
        await _delete_ours(client, training, kind, name)
    for job_name, uid in action.jobs:
        await client.delete(paths.item("Job", training.metadata.namespace, job_name), uid)


async def _delete_ours(client: Client, training: Training, kind: str, name: str) -> None:
    path = paths.item(kind, training.metadata.namespace, name)
    there = await client.get(path)
    if there is not None and views.owned(there, training.metadata.uid):
        await client.delete(path, there["metadata"]["uid"])


def _own(training: Training, kind: str, there: Body | None) -> None:
    if there is not None and not views.owned(there, training.metadata.uid):
        name = there["metadata"]["name"]
        raise TakenError(f"{kind} {name} exists and is not this training's: delete it, or give the training another name")
