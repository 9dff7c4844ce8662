"""Fields that go into pods: wrong ones with the sentence that refuses them, and right ones."""

from typing import Any

from simulation.builders import stage

GPU_STAGES = [stage(mesh={"fsdp": 2}, batchTokens=1024)]


def template(**fields: Any) -> dict[str, Any]:
    return {"podTemplate": fields}


def limits(**quantities: Any) -> dict[str, Any]:
    return template(resources={"limits": quantities})


def both(requests: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    return template(resources={"requests": requests, "limits": limits})


def gpu(**fields: Any) -> dict[str, Any]:
    return {"accelerator": {"type": "gpu", "gpu": {"hosts": 2, "perHost": 1, **fields}}, "stages": GPU_STAGES}


def env(*names: str) -> dict[str, Any]:
    return template(env=[{"name": name, "value": "1"} for name in names])


RESOURCES = "spec.podTemplate.resources"
TOLERATION = "spec.podTemplate.tolerations[0]"

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a size in GB": (limits(memory="16GB"), f'{RESOURCES}.limits[memory]: "16GB" is no quantity: use 16G or 16Gi'),
    "a number with two dots": (
        template(resources={"requests": {"cpu": "1.5.2"}}),
        f'{RESOURCES}.requests[cpu]: "1.5.2" is no quantity: use a number',
    ),
    "a negative number": (limits(cpu=-1), f"{RESOURCES}.limits[cpu]: -1 is negative: use 0 or more"),
    "half a byte": (limits(memory="512m"), f"{RESOURCES}.limits[memory]: 512m is no whole number of bytes: use 512M or 512Mi"),
    "bytes without a unit": (limits(memory=16), f"{RESOURCES}.limits[memory]: 16 is 16 bytes: add a unit, such as 16Gi"),
    "a request above the limit": (
        both({"memory": "4Gi"}, {"memory": "4G"}),
        f"{RESOURCES}.requests[memory]: 4Gi is above the limit 4G: lower it or raise limits[memory]",
    ),
    "a resource that does not exist": (limits(mem="1Gi"), f"{RESOURCES}.limits[mem]: it is no resource: use cpu, memory"),
    "a resource name with a space": (limits(**{"vendor.com/a b": 1}), f"{RESOURCES}.limits[vendor.com/a b]: it is no name of a resource"),
    "half a device": (limits(**{"vendor.com/nic": "500m"}), f"{RESOURCES}.limits[vendor.com/nic]: 500m is no whole number: use a whole"),
    "a device without a limit": (
        template(resources={"requests": {"vendor.com/nic": 1}}),
        f"{RESOURCES}.requests[vendor.com/nic]: devices and huge pages need a limit: give it in limits",
    ),
    "a device with two numbers": (
        both({"vendor.com/nic": 1}, {"vendor.com/nic": 2}),
        f"{RESOURCES}.requests[vendor.com/nic]: 1 differs from the limit 2: use equal values",
    ),
    "half a huge page": (limits(**{"hugepages-2Mi": "3Mi"}), f"{RESOURCES}.limits[hugepages-2Mi]: 3Mi is no whole number of pages of 2Mi"),
    "a huge page without a size": (limits(**{"hugepages-": "2Mi"}), f"{RESOURCES}.limits[hugepages-]: it is no resource"),
    "other GPUs than the accelerator's": (
        gpu() | limits(**{"nvidia.com/gpu": 4}),
        f"{RESOURCES}.limits[nvidia.com/gpu]: spec.accelerator sets it to 1: remove it here",
    ),
    "resources of a preparation": (
        {
            "datasets": [
                {"name": "books", "source": {"uri": "gs://lwm/b"}, "preparation": {"workers": 1, "resources": {"limits": {"cpu": "1x"}}}}
            ]
        },
        'spec.datasets[books].preparation.resources.limits[cpu]: "1x" is no quantity',
    ),
    "shared memory": (gpu(sharedMemory="16GB"), 'spec.accelerator.gpu.sharedMemory: "16GB" is no quantity: use 16G or 16Gi'),
    "rdma": (gpu(rdma={"rdma/hca": "0.5"}), "spec.accelerator.gpu.rdma[rdma/hca]: 0.5 is no whole number"),
    "huge pages of a GPU host": (gpu(hugepages={"hugepages-2Mi": "5GB"}), 'spec.accelerator.gpu.hugepages[hugepages-2Mi]: "5GB" is no'),
    "a stage's own accelerator": (
        {"stages": [stage(mesh={"fsdp": 2}, batchTokens=1024, accelerator=gpu(sharedMemory="1x")["accelerator"])]},
        'spec.stages[ctx512].accelerator.gpu.sharedMemory: "1x" is no quantity',
    ),
    "a variable of NCCL": (gpu(nccl={"NCCL_A B": "1"}), "spec.accelerator.gpu.nccl[NCCL_A B]: it is no variable of NCCL"),
    "the image of a sidecar that no profile has": (
        gpu(sidecarImage="registry.example/daemon:1"),
        "spec.accelerator.gpu.sidecarImage: no sidecar runs beside the trainer: remove it, or set profile to gke-a3-high or gke-a3-mega",
    ),
    "a sidecar's image": (gpu(profile="gke-a3-mega", sidecarImage="a:b:c"), "spec.accelerator.gpu.sidecarImage: a:b:c is no reference"),
    "a selector's key": (template(nodeSelector={"disk type": "ssd"}), "spec.podTemplate.nodeSelector[disk type]: 'disk type' is no key"),
    "a selector's prefix": (template(nodeSelector={"Example.com/pool": "a"}), "spec.podTemplate.nodeSelector[Example.com/pool]"),
    "a selector's value": (template(nodeSelector={"disktype": "a b"}), "spec.podTemplate.nodeSelector[disktype]: 'a b' is no value"),
    "Exists with a value": (
        template(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        f"{TOLERATION}.value: operator Exists matches every value: remove value, or use operator Equal",
    ),
    "Equal without a key": (template(tolerations=[{"value": "b"}]), f"{TOLERATION}.key: operator Equal needs a key: give key"),
    "a taint's key": (template(tolerations=[{"key": "a b", "operator": "Exists"}]), f"{TOLERATION}.key: 'a b' is no key of a taint"),
    "a taint's value": (template(tolerations=[{"key": "a", "value": "-"}]), f"{TOLERATION}.value: '-' is no value of a taint"),
    "seconds for another effect": (
        template(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]),
        f"{TOLERATION}.tolerationSeconds: it is for effect NoExecute only",
    ),
    "a label of the operator": (template(labels={"lwm.dev/stage": "2"}), "spec.podTemplate.labels[lwm.dev/stage]: the operator, the Job"),
    "a label of the Job controller": (template(labels={"job-name": "a"}), "spec.podTemplate.labels[job-name]: the operator, the Job"),
    "an annotation of the operator": (
        template(annotations={"lwm.dev/first-host": "2"}),
        "spec.podTemplate.annotations[lwm.dev/first-host]",
    ),
    "a label's key": (template(labels={"a b": "c"}), "spec.podTemplate.labels[a b]: 'a b' is no key of a label"),
    "a label's value": (template(labels={"a": "b c"}), "spec.podTemplate.labels[a]: 'b c' is no value of a label"),
    "an annotation's key": (template(annotations={"a b": "c"}), "spec.podTemplate.annotations[a b]: it is no key of an annotation"),
    "an annotation of the profile": (
        gpu(profile="gke-a3-high") | template(annotations={"networking.gke.io/default-interface": "eth1"}),
        "spec.podTemplate.annotations[networking.gke.io/default-interface]: the profile gke-a3-high sets it: remove it",
    ),
    "a variable twice": (env("A", "A"), "spec.podTemplate.env[A]: the variable is given 2 times: keep one of them"),
    "the host's index": (env("JOB_COMPLETION_INDEX"), "spec.podTemplate.env[JOB_COMPLETION_INDEX]: Kubernetes sets it to the index"),
    "a variable of the operator": (env("LWM_SLICE"), "spec.podTemplate.env[LWM_SLICE]: names that begin with LWM_ are the operator's"),
    "a variable of JAX's for the gang": (env("JAX_PROCESS_ID"), "spec.podTemplate.env[JAX_PROCESS_ID]: it changes how the hosts find each"),
    "a variable with two values": (
        template(env=[{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
        "spec.podTemplate.env[A]: give exactly one of value and valueFrom",
    ),
    "a variable without a source": (template(env=[{"name": "A", "valueFrom": {}}]), "spec.podTemplate.env[A].valueFrom: give exactly one"),
    "a key that is no file name": (
        template(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": ".."}}}]),
        "spec.podTemplate.env[A].valueFrom: .. is no key",
    ),
    "an image in upper case": ({"image": "registry:5000/Team/trainer:1"}, "spec.image: registry:5000/Team/trainer:1 is no reference"),
    "an image with a long name": ({"image": f"{'a' * 256}:1"}, f"spec.image: {'a' * 256}:1 is no reference"),
    "an image with half a digest": ({"image": "trainer@sha256:12"}, "spec.image: trainer@sha256:12 is no reference of an image"),
}

RIGHT: dict[str, dict[str, Any]] = {
    "numbers and units": both({"cpu": "500m", "memory": "1.5Gi", "ephemeral-storage": "1e9"}, {"cpu": 1, "memory": "2G"}),
    "no limit of memory": limits(memory=0),
    "devices": both({"vendor.com/nic": "2"}, {"vendor.com/nic": 2, "hugepages-2Mi": "4Mi", "hugepages-1Gi": "1Gi"}),
    "the accelerator's devices once more": gpu() | limits(**{"nvidia.com/gpu": "1"}),
    "a GPU host's quantities": gpu(sharedMemory="1Gi", rdma={"rdma/hca": 8}, hugepages={"hugepages-2Mi": "5Gi"}, nccl={"NCCL_IB_HCA": "a"}),
    "a sidecar's image by digest": gpu(profile="gke-a3-mega", sidecarImage=f"registry.example/daemon@sha256:{'0' * 64}"),
    "selectors": template(nodeSelector={"a": "", "example.com/Pool_1.x": "A-b_c.9"}),
    "tolerations": template(
        tolerations=[
            {"operator": "Exists"},
            {"key": "", "operator": "Exists", "value": ""},
            {"key": "a"},
            {"key": "example.com/a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 0},
        ]
    ),
    "labels and annotations": template(
        labels={"sidecar.istio.io/inject": "false", "team": "a"}, annotations={"Karpenter.sh/do-not-disrupt": "true", "note": "a b\n{}"}
    ),
    "variables": env("A", "https_proxy", "JAX_PLATFORMS"),
    "an image with a registry": {"image": "registry.example:5000/team/lwm-trainer:v1.0_a"},
    "an image with a digest": {"image": f"[fd00::1]:5000/a/b@sha256:{'0' * 64}"},
    "an image of two words": {"image": "localhost/a__b-c.d/e"},
}

NEEDS_PRIVILEGED = frozenset({"a sidecar's image by digest"})
"""Right ones of a profile whose sidecar only a privileged namespace admits."""

STRICTER = frozenset(
    {
        "a label of the Job controller",
        "a label of the operator",
        "a variable of JAX's for the gang",
        "a variable of NCCL",
        "a variable of the operator",
        "a variable twice",
        "an annotation of the operator",
        "an annotation of the profile",
        "an image in upper case",
        "an image with a long name",
        "an image with half a digest",
        "bytes without a unit",
        "half a byte",
        "a sidecar's image",
        "other GPUs than the accelerator's",
        "resources of a preparation",
        "the host's index",
        "the image of a sidecar that no profile has",
    }
)
"""Wrong ones with which Kubernetes would admit the trainer's pod: it would not start, or they would be overridden without a word."""
