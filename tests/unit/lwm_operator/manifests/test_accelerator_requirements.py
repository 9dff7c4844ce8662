"""The pods of each accelerator, compared with the platforms' tables and Kubernetes' schemas."""

from typing import Any, get_args

import kubernetes_validate
import pytest

from lwm_operator.api.accelerator import Profile
from lwm_operator.manifests.attempt import supporting_objects
from lwm_operator.manifests.common import AttemptSpec, Manifest
from lwm_operator.manifests.job import jobs
from lwm_operator.plan.validation.validate import validate
from lwm_operator.platforms.gpu import PROFILES
from lwm_trainer.config import RunConfig, Start
from simulation.builders import stage, training

SLICES = 2


def run(accelerator: dict[str, Any], mesh: dict[str, int], **changes: Any) -> AttemptSpec:
    whole = training(accelerator=accelerator, stages=[stage(mesh=mesh, batchTokens=512 * 64)], **changes)
    assert validate(whole.spec) == ()
    return AttemptSpec(training=whole, stage=1, attempt=3, start=Start(), image="lwm-trainer:1", template="t")


def tpu(family: str = "v5p", topology: str = "2x2x2", **more: Any) -> dict[str, Any]:
    return {"type": "tpu", "tpu": {"family": family, "topology": topology, **more}}


def gpu(**more: Any) -> dict[str, Any]:
    return {"type": "gpu", "gpu": {"hosts": 2, "perHost": 4, **more}}


def pod(job: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def environment(job: Manifest) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in pod(job)["containers"][0]["env"]}


TPUS = (
    ("v4", "2x2x4", 4, 4, 4, "tpu-v4-podslice"),
    ("v5e", "2x2", 1, 4, 4, "tpu-v5-lite-podslice"),
    ("v5e", "4x8", 8, 4, 4, "tpu-v5-lite-podslice"),
    ("v5p", "4x4x4", 16, 4, 4, "tpu-v5p-slice"),
    ("v6e", "1x1", 1, 1, 1, "tpu-v6e-slice"),
    ("v6e", "8x8", 16, 4, 4, "tpu-v6e-slice"),
    ("v7x", "2x2x1", 1, 4, 8, "tpu7x"),
)
"""Family, topology, hosts, chips a host, devices a host, selector: written down from the providers' pages, not computed."""


@pytest.mark.parametrize(("family", "topology", "hosts", "chips", "devices", "selector"), TPUS)
def test_a_slice_is_a_job_of_whole_hosts(family: str, topology: str, hosts: int, chips: int, devices: int, selector: str) -> None:
    (job,) = jobs(run(tpu(family, topology), {"dp": hosts * devices}))
    kubernetes_validate.validate(job, "1.37", strict=True)
    spec, container = pod(job), pod(job)["containers"][0]
    assert (job["spec"]["completions"], job["spec"]["parallelism"]) == (hosts, hosts)
    assert spec["nodeSelector"]["cloud.google.com/gke-tpu-accelerator"] == selector
    assert spec["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == topology
    assert (container["resources"]["limits"]["google.com/tpu"], container["resources"]["requests"]["google.com/tpu"]) == (chips, chips)
    assert {"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    assert ("podAffinity" in spec.get("affinity", {})) == (hosts > 1), "all hosts of a slice are in one node pool"
    assert not any(name.startswith("MEGASCALE") for name in environment(job))


def test_slices_have_a_job_each_and_one_gang() -> None:
    attempt = run(tpu(slices=SLICES), {"dp": 2, "fsdp": 4, "sp": 2})
    slices = jobs(attempt)
    assert [job["metadata"]["name"] for job in slices] == ["bible-s1-a3-x0", "bible-s1-a3-x1"]
    assert [job["metadata"]["annotations"]["lwm.dev/first-host"] for job in slices] == ["0", "2"]
    for index, job in enumerate(slices):
        kubernetes_validate.validate(job, "1.37", strict=True)
        about = job["spec"]["template"]["metadata"]
        assert (about["labels"]["lwm.dev/slice"], about["annotations"]["lwm.dev/first-host"]) == (str(index), str(2 * index))
        variables = environment(job)
        assert (variables["LWM_SLICE"], variables["MEGASCALE_SLICE_ID"], variables["MEGASCALE_NUM_SLICES"]) == (str(index), str(index), "2")
        assert variables["MEGASCALE_COORDINATOR_ADDRESS"] == "bible-s1-a3-x0-0.bible"
        affinity = pod(job)["affinity"]
        (together,) = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        (apart,) = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert together["labelSelector"]["matchLabels"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
        assert {expression["key"] for expression in apart["labelSelector"]["matchExpressions"]} == {
            "lwm.dev/slice",
            "batch.kubernetes.io/job-name",
        }
        assert together["topologyKey"] == apart["topologyKey"] == "cloud.google.com/gke-nodepool"
    config = next(
        RunConfig.model_validate_json(one["data"]["run.json"]) for one in supporting_objects(attempt) if one["kind"] == "ConfigMap"
    )
    gang = config.gang
    assert (gang.slices, gang.hosts, gang.devices_per_host, gang.platform) == (2, 4, 4, "tpu")
    assert gang.coordinator == "bible-s1-a3-x0-0.bible:8476"
    assert [gang.address(host) for host in range(4)] == [
        "bible-s1-a3-x0-0.bible",
        "bible-s1-a3-x0-1.bible",
        "bible-s1-a3-x1-0.bible",
        "bible-s1-a3-x1-1.bible",
    ]


def test_spot_and_reservation_are_selectors() -> None:
    (spot,) = jobs(run(tpu(spot=True), {"dp": 8}))
    assert pod(spot)["nodeSelector"]["cloud.google.com/gke-spot"] == "true"
    assert "cloud.google.com/gke-spot" in [toleration["key"] for toleration in pod(spot)["tolerations"]]
    (reserved,) = jobs(run(tpu(reservation="projects/ours/reservations/mine"), {"dp": 8}))
    assert pod(reserved)["nodeSelector"]["cloud.google.com/reservation-name"] == "mine"


def test_node_selectors_of_user_and_accelerator_are_merged_and_the_accelerators_take_precedence() -> None:
    template = {"nodeSelector": {"zone": "a", "cloud.google.com/gke-tpu-topology": "1x1"}, "tolerations": [{"key": "mine"}]}
    (job,) = jobs(run(tpu(), {"dp": 8}, podTemplate=template))
    assert pod(job)["nodeSelector"]["zone"] == "a"
    assert pod(job)["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "2x2x2"
    assert {"key": "mine", "operator": "Equal"} in pod(job)["tolerations"]


def test_a_gpu_host_has_its_devices_its_network_and_shared_memory() -> None:
    more = {"rdma": {"rdma/hca": 2}, "hugepages": {"hugepages-2Mi": "1Gi"}, "nccl": {"NCCL_IB_HCA": "mlx5"}, "sharedMemory": "8Gi"}
    template = {"env": [{"name": "NCCL_IB_HCA", "value": "mine"}]}
    (job,) = jobs(run(gpu(**more), {"fsdp": 8}, podTemplate=template))
    kubernetes_validate.validate(job, "1.37", strict=True)
    spec, container = pod(job), pod(job)["containers"][0]
    for resources in container["resources"].values():
        assert {name: resources[name] for name in resources if name not in ("cpu", "memory")} == {
            "nvidia.com/gpu": 4,
            "rdma/hca": 2,
            "hugepages-2Mi": "1Gi",
        }
    assert "memory" not in container["resources"]["limits"]
    assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in spec["volumes"]
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert environment(job)["NCCL_IB_HCA"] == "mlx5"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]


def test_other_resource_names_are_tolerated_by_their_own_key() -> None:
    (job,) = jobs(run(gpu(resource="example.com/fast"), {"fsdp": 8}))
    assert pod(job)["containers"][0]["resources"]["limits"]["example.com/fast"] == 4
    assert "example.com/fast" in [toleration["key"] for toleration in pod(job)["tolerations"]]


def test_every_profile_of_the_table_can_be_named_and_no_other() -> None:
    assert set(get_args(Profile)) == set(PROFILES)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profiles_requirements_are_in_the_pod(name: str) -> None:
    profile = PROFILES[name]
    (job,) = jobs(run(gpu(profile=name), {"fsdp": 8}))
    kubernetes_validate.validate(job, "1.37", strict=True)
    template, spec = job["spec"]["template"], pod(job)
    container = spec["containers"][0]
    assert profile.annotations.items() <= template["metadata"]["annotations"].items()
    assert spec.get("hostNetwork", False) == profile.host_network
    assert {volume.path for volume in profile.volumes} == {volume["hostPath"]["path"] for volume in spec["volumes"] if "hostPath" in volume}
    assert {mount.path for mount in profile.mounts} <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert profile.environment.items() <= environment(job).items()
    assert profile.resources.items() <= container["resources"]["limits"].items()
    assert [container["name"] for container in spec.get("initContainers", ())] == [sidecar.name for sidecar in profile.sidecars]
    restricted = container["securityContext"].get("capabilities") == {"drop": ["ALL"]} and not (
        profile.host_network or profile.volumes or profile.sidecars
    )
    assert restricted == (profile.pod_security == "restricted")


def test_the_image_of_a_profiles_sidecar_can_be_given_by_digest() -> None:
    image = f"registry.example/tcpgpudmarxd@sha256:{'0' * 64}"
    for given, wanted in ((image, image), (None, PROFILES["gke-a3-high"].sidecars[0].image)):
        (job,) = jobs(run(gpu(profile="gke-a3-high", sidecarImage=given), {"fsdp": 8}))
        assert [container["image"] for container in pod(job)["initContainers"]] == [wanted]


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_namespace_whose_quota_counts_cpu_and_memory_admits_every_container(name: str) -> None:
    (job,) = jobs(run(gpu(profile=name), {"fsdp": 8}, podTemplate={"resources": {"limits": {"memory": "64Gi"}}}))
    for container in (*pod(job)["containers"], *pod(job).get("initContainers", ())):
        assert "cpu" in container["resources"]["requests"]
        assert "memory" in container["resources"]["limits"]


def test_a_stage_may_have_its_own_accelerator() -> None:
    stages = [stage("cpu"), stage("chips", mesh={"dp": 8}, accelerator=tpu(), batchTokens=512 * 64)]
    whole = training(stages=stages)
    assert validate(whole.spec) == ()
    first, second = (
        jobs(AttemptSpec(training=whole, stage=number, attempt=1, start=Start(), image="i", template="t"))[0] for number in (1, 2)
    )
    assert "nodeSelector" not in pod(first)
    assert pod(second)["nodeSelector"]["cloud.google.com/gke-tpu-accelerator"] == "tpu-v5p-slice"
    assert "PJRT_NPROC" in environment(first)
    assert "PJRT_NPROC" not in environment(second)


def test_a_user_must_not_set_the_variables_that_gke_sets_on_tpu_hosts() -> None:
    template = {"env": [{"name": "TPU_TOPOLOGY", "value": "1x1"}, {"name": "LIBTPU_INIT_ARGS", "value": "--x"}]}
    violations = validate(training(accelerator=tpu(), stages=[stage(mesh={"dp": 8})], podTemplate=template).spec)
    assert violations == ("spec.podTemplate.env: TPU_TOPOLOGY is set by GKE on TPU hosts: remove it",)


def test_several_slices_are_refused_with_a_queue() -> None:
    stages = [stage(mesh={"dp": 2, "fsdp": 4, "sp": 2}, batchTokens=512 * 64)]
    violations = validate(training(accelerator=tpu(slices=2), stages=stages, execution={"queueName": "team"}).spec)
    assert len(violations) == 1
    assert "spec.execution.queueName: a queue admits the Jobs of 2 slices one by one" in violations[0]


@pytest.mark.parametrize(
    ("accelerator", "mesh", "texts"),
    [
        (tpu("v5p", "4x4x3"), {"dp": 48}, ["spec.accelerator.tpu: unknown topology 4x4x3 of v5p: use 4x4x4, 2x4x4"]),
        (tpu("v5p", "4x4"), {"dp": 16}, ["4x4 has 2 axes, and topologies of v5p have 3: use 2x2x4"]),
        (tpu("v6e", "4x4", chipsPerHost=8), {"dp": 16}, ["v6e 4x4 has no hosts of 8 chips: use chipsPerHost 4"]),
        (tpu("v5p", "8x4x4"), {"dp": 128}, ["axes in another order", "write 4x4x8"]),
        (tpu(slices=2), {"dp": 1, "fsdp": 16}, ["mesh.dp: 1 is not a multiple of the 2 slices", "use 2"]),
        (tpu(), {"dp": 4}, ["mesh: dp 4 x fsdp 1 x tp 1 x sp 1 = 4 devices, but the accelerator has 8"]),
        ({"type": "gpu"}, {}, ["spec.accelerator.gpu: missing, but type is gpu: give gpu.hosts and gpu.perHost"]),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest_right_one(
    accelerator: dict[str, Any], mesh: dict[str, int], texts: list[str]
) -> None:
    message = "; ".join(validate(training(accelerator=accelerator, stages=[stage(mesh=mesh, batchTokens=512 * 64)]).spec))
    for text in texts:
        assert text in message
