"""Validation of all that goes into pods: quantities, resource names, selectors, tolerations, variables, the image.

What the API server would refuse in a pod is refused here, before the first object of an attempt is made. CEL cannot check it all, because
rules over keys of maps, or that compare quantities, exceed the cost budget of a CRD.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from lwm_operator.api.accelerator import Gpu
from lwm_operator.api.dataset import Preparation
from lwm_operator.api.names import RESERVED_POD_KEYS, RESERVED_POD_PREFIXES
from lwm_operator.api.pod_template import PodTemplate, Resources, Toleration
from lwm_operator.api.quantity import parse_quantity, quantity_error
from lwm_operator.api.resource import LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN
from lwm_operator.api.spec import Spec
from lwm_operator.platforms.devices import device_resources
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gang import gang_of
from lwm_operator.platforms.gpu import PROFILES, profile
from lwm_operator.platforms.tpu import SET_BY_GKE

LABEL_KEY, LABEL_VALUE = re.compile(LABEL_KEY_PATTERN), re.compile(LABEL_VALUE_PATTERN)
MAX_PREFIX = 253
IMAGE = re.compile(
    r"(?P<name>(?:(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
"""A reference of a container image: registry, path, tag, digest."""
MAX_IMAGE_NAME = 255

COMPUTE = ("cpu", "memory", "ephemeral-storage")
HUGEPAGES = re.compile(r"hugepages-(?P<size>[1-9][0-9]*[KMG]i)")
LEAST_BYTES = 2**20
"""Fewer bytes of memory are a number without its unit."""

SET_BY_KUBERNETES = "JOB_COMPLETION_INDEX"
RESERVED_PREFIX = "LWM_"
GANG_VARIABLES = (
    "JAX_COORDINATOR_ADDRESS",
    "JAX_COORDINATOR_BIND_ADDRESS",
    "JAX_LOCAL_DEVICE_IDS",
    "JAX_NUM_PROCESSES",
    "JAX_PARTITION_INDEX",
    "JAX_PROCESS_ID",
    "JAX_SLICE_INDEX",
)
"""Variables by which JAX would form another gang than the operator's (jax/_src/distributed.py)."""
NCCL_NAME = re.compile(r"NCCL_[A-Z0-9_]+")
NO_FILE_NAMES = (".", "..")


def pod_errors(spec: Spec, devices: Mapping[str, int | str]) -> list[str]:
    """Errors of spec.image, spec.podTemplate and the data sets' preparations. `devices`: resources that the accelerator adds."""
    where = "spec.podTemplate"
    errors = _image_errors("spec.image", spec.image)
    errors += resource_errors(f"{where}.resources", spec.pod_template.resources, devices)
    errors += [
        error
        for dataset in spec.datasets
        if dataset.preparation is not None
        for error in preparation_errors(f"spec.datasets[{dataset.name}].preparation", dataset.preparation, spec)
    ]
    errors += _selector_errors(f"{where}.nodeSelector", spec.pod_template.node_selector or {})
    errors += _metadata_errors(where, spec.pod_template)
    for index, toleration in enumerate(spec.pod_template.tolerations):
        errors += _toleration_errors(f"{where}.tolerations[{index}]", toleration)
    return [*errors, *_variable_errors(f"{where}.env", spec.pod_template)]


def preparation_errors(where: str, preparation: Preparation, spec: Spec) -> list[str]:
    """Errors of the resources of a preparation's workers, and of their accelerator."""
    if (accelerator := preparation.accelerator) is None:
        return resource_errors(f"{where}.resources", preparation.resources, {})
    field, errors = f"{where}.accelerator", []
    try:
        gang, devices = gang_of(accelerator), device_resources(accelerator)
    except PlatformError as error:
        return [f"{field}.{error}"]
    if gang.hosts > 1:
        errors.append(f"{field}: it has {gang.hosts} hosts, and each worker is one: use one of a single host, and more workers")
    if accelerator.gpu is not None:
        errors += gpu_errors(f"{field}.gpu", accelerator.gpu, spec.pod_template)
    if accelerator.tpu is not None:
        errors += gke_variable_errors(spec)
    return errors + resource_errors(f"{where}.resources", preparation.resources, devices, sets=field)


def gke_variable_errors(spec: Spec) -> list[str]:
    """Errors of variables that GKE sets from the node: the pod's own value would override the right one."""
    names = [variable.name for variable in spec.pod_template.env if variable.name in SET_BY_GKE]
    return [f"spec.podTemplate.env: {name} is set by GKE on TPU hosts: remove it" for name in names]


def gpu_errors(where: str, gpu: Gpu, template: PodTemplate) -> Iterator[str]:
    """Errors of an accelerator's gpu block: quantities, names, and annotations of its profile that the pod template sets, too."""
    for key in profile(gpu.profile).annotations.keys() & (template.annotations or {}).keys():
        yield f"spec.podTemplate.annotations[{key}]: the profile {gpu.profile} sets it: remove it, or choose another profile"
    if gpu.sidecar_image is not None and not profile(gpu.profile).sidecars:
        with_sidecar = [name for name, each in PROFILES.items() if each.sidecars]
        yield f"{where}.sidecarImage: no sidecar runs beside the trainer: remove it, or set profile to {' or '.join(with_sidecar)}"
    yield from _image_errors(f"{where}.sidecarImage", gpu.sidecar_image or "")
    yield from _quantity_errors(f"{where}.sharedMemory", "memory", gpu.shared_memory)
    for field, quantities in (("rdma", gpu.rdma or {}), ("hugepages", gpu.hugepages or {})):
        for name, value in quantities.items():
            yield from _name_errors(f"{where}.{field}[{name}]", name)
            yield from _quantity_errors(f"{where}.{field}[{name}]", name, value)
    for name in gpu.nccl or {}:
        if NCCL_NAME.fullmatch(name) is None:
            yield f"{where}.nccl[{name}]: it is no variable of NCCL: use a name such as NCCL_DEBUG, of A-Z, 0-9 and _"


def resource_errors(
    where: str, resources: Resources | None, devices: Mapping[str, int | str], *, sets: str = "spec.accelerator"
) -> list[str]:
    """Errors of requests and limits. `devices`: resources that the accelerator, the field `sets`, adds with values of its own."""
    if resources is None:
        return []
    requests, limits = resources.requests or {}, resources.limits or {}
    errors: list[str] = []
    for block, quantities in (("requests", requests), ("limits", limits)):
        for name, value in quantities.items():
            field = f"{where}.{block}[{name}]"
            wrong = [*_name_errors(field, name), *_quantity_errors(field, name, value)]
            if not wrong and name in devices and parse_quantity(value) != parse_quantity(devices[name]):
                wrong.append(f"{field}: {sets} sets it to {devices[name]}: remove it here")
            errors += wrong
    for name in requests:
        request, limit = parse_quantity(requests[name]), parse_quantity(limits.get(name, ""))
        if name not in limits and name not in COMPUTE:
            errors.append(f"{where}.requests[{name}]: devices and huge pages need a limit: give it in limits, too, with the same value")
        elif request is not None and limit is not None and request > limit:
            errors.append(f"{where}.requests[{name}]: {requests[name]} is above the limit {limits[name]}: lower it or raise limits[{name}]")
        elif request is not None and limit is not None and request < limit and name not in COMPUTE:
            errors.append(f"{where}.requests[{name}]: {requests[name]} differs from the limit {limits[name]}: use equal values")
    return errors


def _name_errors(field: str, name: str) -> Iterator[str]:
    """The name must be one that a container can request."""
    if name in COMPUTE or HUGEPAGES.fullmatch(name):
        return
    if "/" not in name:
        yield f"{field}: it is no resource: use {', '.join(COMPUTE)}, hugepages-2Mi, or a name with a domain such as nvidia.com/gpu"
    elif not _is_label_key(name) or name.startswith("requests."):
        yield f"{field}: it is no name of a resource: use one such as nvidia.com/gpu"


def _quantity_errors(field: str, name: str, value: int | str) -> Iterator[str]:
    """The value must be a quantity that makes sense for the resource `name`."""
    number = parse_quantity(value)
    if number is None:
        yield f"{field}: {quantity_error(value)}"
    elif name == "cpu":
        return
    elif number.denominator != 1:
        hint = f"use {str(value)[:-1]}M or {str(value)[:-1]}Mi" if name in COMPUTE and str(value).endswith("m") else "use a whole number"
        yield f"{field}: {value} is no whole number{' of bytes' if '/' not in name else ''}: {hint}"
    elif name == "memory" and 0 < number < LEAST_BYTES:
        yield (
            f"{field}: {value} is {number} bytes: add a unit, such as {value}Gi"
            if str(value).isdigit()
            else (f"{field}: {value} is {number} bytes: use a larger unit, such as Mi or Gi")
        )
    elif (pages := HUGEPAGES.fullmatch(name)) and number % (parse_quantity(pages["size"]) or 1):
        yield f"{field}: {value} is no whole number of pages of {pages['size']}: use a multiple of it"


def _image_errors(field: str, image: str) -> list[str]:
    reference = IMAGE.fullmatch(image)
    if not image or (reference is not None and len(reference["name"]) <= MAX_IMAGE_NAME):
        return []
    return [
        f"{field}: {image} is no reference of an image: use registry/path:tag or registry/path@sha256:digest, with the path in lower case"
    ]


def _selector_errors(where: str, selector: Mapping[str, str]) -> list[str]:
    return [error for key, value in selector.items() for error in _label_errors(f"{where}[{key}]", key, value)]


def _label_errors(field: str, key: str, value: str) -> Iterator[str]:
    if not _is_label_key(key):
        yield f"{field}: {key!r} is no key of a label: use letters, digits, '-', '_' and '.', as in disktype or example.com/pool"
    if LABEL_VALUE.fullmatch(value) is None:
        yield f"{field}: {value!r} is no value of a label: use at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"


def _metadata_errors(where: str, template: PodTemplate) -> Iterator[str]:
    """Errors of labels and annotations of the pods."""
    for field, values in (("labels", template.labels or {}), ("annotations", template.annotations or {})):
        for key, value in values.items():
            if key in RESERVED_POD_KEYS or key.startswith(RESERVED_POD_PREFIXES):
                yield f"{where}.{field}[{key}]: the operator, the Job controller or Kueue sets it: remove it"
            elif field == "labels":
                yield from _label_errors(f"{where}.{field}[{key}]", key, value)
            elif not _is_label_key(key.lower()):
                yield f"{where}.{field}[{key}]: it is no key of an annotation: use a name such as example.com/owner"


def _is_label_key(key: str) -> bool:
    prefix, _, _ = key.rpartition("/")
    return LABEL_KEY.fullmatch(key) is not None and len(prefix) <= MAX_PREFIX


def _toleration_errors(field: str, toleration: Toleration) -> Iterator[str]:
    key, value = toleration.key or "", toleration.value or ""
    if key and not _is_label_key(key):
        yield f"{field}.key: {key!r} is no key of a taint: use a name such as dedicated or example.com/pool"
    if not key and toleration.operator != "Exists":
        yield f"{field}.key: operator Equal needs a key: give key, or use operator Exists, which tolerates every taint without a key"
    if value and toleration.operator == "Exists":
        yield f"{field}.value: operator Exists matches every value: remove value, or use operator Equal"
    elif LABEL_VALUE.fullmatch(value) is None:
        yield f"{field}.value: {value!r} is no value of a taint: use at most 63 letters, digits, '-', '_' and '.'"
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        yield f"{field}.tolerationSeconds: it is for effect NoExecute only: use that effect or remove tolerationSeconds"


def _variable_errors(where: str, template: PodTemplate) -> Iterator[str]:
    for name, count in Counter(variable.name for variable in template.env).items():
        if count > 1:
            yield f"{where}[{name}]: the variable is given {count} times: keep one of them"
        if name == SET_BY_KUBERNETES:
            yield f"{where}[{name}]: Kubernetes sets it to the index of each host, and one value would serve all: remove it"
        elif name in GANG_VARIABLES:
            yield f"{where}[{name}]: it changes how the hosts find each other, which is the operator's task: remove it"
        elif name.startswith(RESERVED_PREFIX):
            yield f"{where}[{name}]: names that begin with {RESERVED_PREFIX} are the operator's: choose another name"
    for variable in template.env:
        source = variable.value_from
        if (variable.value is None) == (source is None):
            yield f"{where}[{variable.name}]: give exactly one of value and valueFrom"
        elif source is not None and (source.secret_key_ref is None) == (source.config_map_key_ref is None):
            yield f"{where}[{variable.name}].valueFrom: give exactly one of secretKeyRef and configMapKeyRef"
        for ref in (source.secret_key_ref, source.config_map_key_ref) if source is not None else ():
            if ref is not None and (ref.key in NO_FILE_NAMES or ref.key.startswith("..")):
                yield f"{where}[{variable.name}].valueFrom: {ref.key} is no key: use the name of one"
