"""What each example, TPU topology and GPU profile becomes, on a real API server: as objects, and as pods under Pod Security.

Pod Security does not refuse a Job, only its pods: so each Job's pod is asked for, too. Only the supporting objects are really created.
"""

import asyncio
from typing import Any

import pytest
import yaml

from lwm_operator.api.training import Training, parse_training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client
from lwm_operator.manifests.attempt import supporting_objects
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.job import jobs
from lwm_operator.plan.validation.validate import validate
from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES
from lwm_operator.platforms.gpu import PROFILES
from lwm_trainer.config import Start
from quickstart.options import EXAMPLE
from simulation.builders import stage
from support.api_requests import manifest

TRAININGS = [path for path in sorted(EXAMPLE.parent.glob("*.yaml")) if not path.stem.startswith("serve")]
EXAMPLES: dict[str, Body] = {path.stem: yaml.safe_load(path.read_text()) for path in TRAININGS}
DRY = {"dryRun": "All", "fieldValidation": "Strict"}


async def dry(client: Client, body: Body) -> Body:
    """As kubectl create --dry-run=server. Raises ApiError."""
    return await client.call("POST", paths.collection(body["kind"], body["metadata"]["namespace"]), body=body, query=DRY)


async def admitted(client: Client, wanted: Body) -> Training:
    """As the API server would keep it: with its defaults."""
    training = parse_training(await dry(client, wanted))
    assert validate(training.spec) == ()
    return training


def run(training: Training, number: int = 1) -> AttemptSpec:
    return AttemptSpec(training=training, stage=number, attempt=1, start=Start(), image="registry.invalid/lwm-trainer:none", template="t")


def pod(job: Body) -> Body:
    """The pod that the Job's controller makes of it."""
    template: dict[str, Any] = job["spec"]["template"]
    metadata = {**template["metadata"], "name": f"{job['metadata']['name']}-0", "namespace": job["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


async def objects(client: Client, run_of: AttemptSpec) -> tuple[Body, ...]:
    """All but pods are admitted; then the service account is really there, as pods are refused without. Returns the Jobs."""
    bodies = jobs(run_of)
    namespace = run_of.training.metadata.namespace
    name = bodies[0]["spec"]["template"]["spec"]["serviceAccountName"]
    place = paths.item("ServiceAccount", namespace, name)
    if await client.get(place) is not None:
        await client.call("DELETE", place)
    await asyncio.gather(*(dry(client, body) for body in (*supporting_objects(run_of), *bodies)))
    await client.call("POST", paths.collection("ServiceAccount", namespace), body={"metadata": {"name": name}})
    return bodies


def gpu(**more: Any) -> dict[str, Any]:
    return {"type": "gpu", "gpu": {"hosts": 2, "perHost": 8, **more}}


def tpu(family: str, topology: str, slices: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "tpu", "tpu": {"family": family, "topology": topology, "slices": slices, **more}}


def wanted(namespace: str, accelerator: dict[str, Any], **mesh: int) -> Body:
    rows = mesh.get("dp", 1) * mesh.get("fsdp", 1)
    return manifest(namespace, accelerator=accelerator, stages=[stage(mesh=mesh, batchTokens=512 * rows)])


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_stage_of_every_example_is_admitted_where_only_restricted_pods_are(client: Client, namespace: str, name: str) -> None:
    body = EXAMPLES[name]
    training = await admitted(client, {**body, "metadata": {**body["metadata"], "namespace": namespace}})
    for number in range(1, len(training.spec.stages) + 1):
        for job in await objects(client, run(training, number)):
            await dry(client, pod(job))


@pytest.mark.parametrize("slices", [1, 2])
@pytest.mark.parametrize("family", GKE_TPU_FAMILIES)
async def test_tpu_hosts_are_restricted_pods(client: Client, namespace: str, family: str, slices: int) -> None:
    for topology, row in list(GKE_TPU_FAMILIES[family].topologies.items())[:4]:
        for machine in row.machines:
            accelerator = tpu(family, topology, slices, **({"chipsPerHost": machine.chips} if len(row.machines) > 1 else {}))
            body = wanted(namespace, accelerator, dp=slices, fsdp=row.chips * GKE_TPU_FAMILIES[family].chip.devices_per_chip)
            created = await objects(client, run(await admitted(client, body)))
            assert len(created) == slices
            admitted_pods = await asyncio.gather(*(dry(client, pod(job)) for job in created))
            assert {pod_body["spec"]["containers"][0]["resources"]["limits"]["google.com/tpu"] for pod_body in admitted_pods} == {
                str(machine.chips)
            }


async def test_gpu_hosts_are_restricted_pods(client: Client, namespace: str) -> None:
    more = {"rdma": {"rdma/hca": "1"}, "hugepages": {"hugepages-2Mi": "5Gi"}, "nccl": {"NCCL_DEBUG": "WARN"}, "sharedMemory": "64Gi"}
    for accelerator in (gpu(), gpu(**more), gpu(resource="example.com/fast")):
        (job,) = await objects(client, run(await admitted(client, wanted(namespace, accelerator, fsdp=16))))
        await dry(client, pod(job))


@pytest.mark.parametrize("name", sorted(PROFILES))
async def test_a_profile_needs_the_namespace_that_it_says(client: Client, namespace: str, privileged: str, name: str) -> None:
    (job,) = await objects(client, run(await admitted(client, wanted(namespace, gpu(profile=name), fsdp=16))))
    if PROFILES[name].pod_security == "restricted":
        await dry(client, pod(job))
    else:
        with pytest.raises(ApiError, match='violates PodSecurity "restricted') as refused:
            await dry(client, pod(job))
        assert refused.value.code == 403
    (job,) = await objects(client, run(await admitted(client, wanted(privileged, gpu(profile=name), fsdp=16))))
    created = await dry(client, pod(job))
    ports = [port for container in created["spec"]["containers"] for port in container.get("ports", ())]
    assert [port for port in ports if "hostPort" in port] == []  # the scheduler would look for a node where it is free
