"""Carries out the actions of a plan. Every action is idempotent."""

import asyncio

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import parse, paths
from lwm_operator.cluster.action_specs import attempt_spec, preparation_spec
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.cluster.port import NameConflictError, NotRestoredError
from lwm_operator.manifests.attempt import supporting_objects
from lwm_operator.manifests.common import Manifest
from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.preparation import preparation_companions, preparation_job
from lwm_operator.plan.actions import (
    Action,
    CleanUp,
    CreateAttempt,
    CreatePreparation,
    DeleteAttempt,
    DeletePod,
    DeletePreparation,
    RestoreAttempt,
)


async def carry_out(client: Client, training: Training, action: Action, default_image: str, *, fixed_user: bool = True) -> None:
    """Carry out one action; `fixed_user` as in AttemptSpec.

    Raises ApiError, and NameConflictError when an object of that name is not this training's.
    """
    namespace = training.metadata.namespace
    image = training.spec.image or default_image
    match action:
        case CreateAttempt():
            attempt = attempt_spec(training, action, image, fixed_user=fixed_user)
            await _create(client, training, supporting_objects(attempt), jobs(attempt))
        case RestoreAttempt():
            attempt = attempt_spec(training, action.creation, image, fixed_user=fixed_user)
            await _restore(client, training, supporting_objects(attempt), jobs(attempt))
        case CreatePreparation():
            preparation = preparation_spec(training, action, image, fixed_user=fixed_user)
            await _create(client, training, preparation_companions(preparation), (preparation_job(preparation),))
        case DeletePod():
            await client.delete(paths.item("Pod", namespace, action.name), action.uid, grace_seconds=action.grace_seconds)
        case DeleteAttempt():
            await _delete_attempt(client, training, action)
        case DeletePreparation():
            await _delete_preparation(client, training, action)
        case CleanUp():
            # The Service goes before the last Lease: as long as one exists, the rest is tried again.
            await _delete_owned(client, training, "Service", training.metadata.name)
            for old_attempt in action.attempts:
                await _delete_attempt(client, training, old_attempt)
            for leftover in action.preparations:
                await _delete_preparation(client, training, leftover)


async def _restore(client: Client, training: Training, manifests: tuple[Manifest, ...], job_manifests: tuple[Manifest, ...]) -> None:
    """Create what is missing beside the Jobs. Raises NotRestoredError for a run config that is no longer the one of the Jobs."""
    existing = await _existing_jobs(client, training, job_manifests)
    if not existing:
        return
    wanted, actual = (parse.annotations(job).get(names.ANNOTATION_RUN_CONFIG) for job in (job_manifests[0], existing[0]))
    for manifest in manifests:
        if manifest["kind"] != "ConfigMap" or actual in (None, wanted):
            await _create_or_get(client, training, manifest)
        elif await client.get(paths.item("ConfigMap", training.metadata.namespace, manifest["metadata"]["name"])) is None:
            job = existing[0]["metadata"]["name"]
            raise NotRestoredError(
                f"ConfigMap {manifest['metadata']['name']} was deleted, and the spec or the operator has changed since "
                f"the attempt began: delete Job {job} to start the next attempt"
            )


async def _create(client: Client, training: Training, manifests: tuple[Manifest, ...], job_manifests: tuple[Manifest, ...]) -> None:
    """Bring what the Jobs need into being, then create each Job once; one that exists must belong to this training."""
    for manifest in manifests:
        existing = await _create_or_get(client, training, manifest)
        if existing is None:
            continue
        if manifest["kind"] != "ConfigMap":
            await _update(client, training, manifest, existing)
        elif existing.get("data") != manifest["data"] and not await _existing_jobs(client, training, job_manifests):
            # An immutable one from an older spec or operator. Only without any Job: all hosts of a gang read the same run config.
            await _replace(client, training, manifest, existing)
    created = [await _create_job(client, training, manifest) for manifest in job_manifests]
    for job in created:
        if parse.is_held(job):
            await _release(client, job)


async def _release(client: Client, job: Body) -> None:
    """Let the Job of a slice run, now that the Jobs of all slices exist. A Job that somebody else suspends is left to them."""
    metadata = {"uid": job["metadata"]["uid"], "annotations": {names.ANNOTATION_HELD: None}}
    path = paths.item("Job", job["metadata"]["namespace"], job["metadata"]["name"])
    await client.patch(path, {"metadata": metadata, "spec": {"suspend": False}}, Patch.MERGE, manager=names.FIELD_MANAGER)


async def _create_or_get(client: Client, training: Training, manifest: Manifest) -> Body | None:
    """Create the object and return None, or return the training's own that exists. An existing name is never written over."""
    kind, name, namespace = manifest["kind"], manifest["metadata"]["name"], training.metadata.namespace
    existing = await client.get(paths.item(kind, namespace, name))
    if existing is None:
        await _post(client, namespace, manifest)
        return None
    _check_owner(training, kind, existing)
    return existing


async def _update(client: Client, training: Training, manifest: Manifest, existing: Body) -> None:
    """Apply the manifest to the very object that was read. With its uid as a precondition, no other of that name is changed."""
    path = paths.item(manifest["kind"], training.metadata.namespace, manifest["metadata"]["name"])
    exact = manifest | {"metadata": manifest["metadata"] | {"uid": existing["metadata"]["uid"]}}
    await client.patch(path, exact, Patch.APPLY, manager=names.FIELD_MANAGER)


async def _replace(client: Client, training: Training, manifest: Manifest, existing: Body) -> Body:
    """Create an object anew that cannot be updated. With its uid as a precondition, no other of that name is deleted."""
    namespace = training.metadata.namespace
    await client.delete(paths.item(manifest["kind"], namespace, manifest["metadata"]["name"]), existing["metadata"]["uid"])
    return await _post(client, namespace, manifest)


async def _post(client: Client, namespace: str, manifest: Manifest) -> Body:
    """Create the object. Raises ApiError, with code 409 when its name exists."""
    query = {"fieldManager": names.FIELD_MANAGER}
    return await client.call("POST", paths.collection(manifest["kind"], namespace), query=query, body=manifest)


async def _existing_jobs(client: Client, training: Training, job_manifests: tuple[Manifest, ...]) -> list[Body]:
    """Return those of the Jobs that exist and are the training's."""
    paths_of_jobs = [paths.item("Job", training.metadata.namespace, manifest["metadata"]["name"]) for manifest in job_manifests]
    jobs = await asyncio.gather(*(client.get(path) for path in paths_of_jobs))
    return [job for job in jobs if job is not None and parse.is_controlled_by(job, training.metadata.uid)]


async def _create_job(client: Client, training: Training, manifest: Manifest) -> Body:
    """Create the Job, or return the training's own that exists: an exhausted quota refuses its name, too."""
    name, namespace = manifest["metadata"]["name"], training.metadata.namespace
    try:
        return await _post(client, namespace, manifest)
    except ApiError as error:
        existing = await client.get(paths.item("Job", namespace, name))
        if existing is None:
            raise
        _check_owner(training, "Job", existing)
        if _purpose(existing) != _purpose(manifest):
            raise NameConflictError(f"Job {name} has the labels of another attempt: delete it") from error
        if parse.is_held(existing) and _template(existing) != _template(manifest):
            # The spec was edited before another slice was admitted: all slices run the same pods. This one has not had any.
            return await _replace(client, training, manifest, existing)
        return existing


def _template(job: Body) -> str | None:
    return parse.annotations(job).get(names.ANNOTATION_TEMPLATE)


def _purpose(job: Body) -> tuple[object, ...]:
    """Return the attempt or the preparation that the Job is for, by its labels."""
    return parse.attempt_key(job), parse.preparation_key(job)


async def _delete_attempt(client: Client, training: Training, action: DeleteAttempt) -> None:
    await _delete(client, training, names.job_name(training.metadata.name, action.stage, action.attempt), action.jobs)


async def _delete_preparation(client: Client, training: Training, action: DeletePreparation) -> None:
    await _delete(client, training, action.name, ((action.name, action.uid),) if action.uid is not None else ())


async def _delete(client: Client, training: Training, name: str, jobs: tuple[tuple[str, str], ...]) -> None:
    """Delete the objects of this name and the Jobs (name and uid), the Lease last: as long as it exists, the rest is tried again."""
    for kind in ("RoleBinding", "Role", "ServiceAccount", "ConfigMap"):
        await _delete_owned(client, training, kind, name)
    for job_name, uid in jobs:
        await client.delete(paths.item("Job", training.metadata.namespace, job_name), uid)
    await _delete_owned(client, training, "Lease", name)


async def _delete_owned(client: Client, training: Training, kind: str, name: str) -> None:
    path = paths.item(kind, training.metadata.namespace, name)
    existing = await client.get(path)
    if existing is not None and parse.is_controlled_by(existing, training.metadata.uid):
        await client.delete(path, existing["metadata"]["uid"])


def _check_owner(training: Training, kind: str, existing: Body) -> None:
    if not parse.is_controlled_by(existing, training.metadata.uid):
        name = existing["metadata"]["name"]
        raise NameConflictError(f"{kind} {name} exists but belongs to another owner: delete it, or give the training another name")
