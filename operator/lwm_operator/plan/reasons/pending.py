"""Why pods do not run yet, the most serious reason first: `explain_pending` shows the first that applies."""

from lwm_operator.plan.reasons.reason import Reason


class PendingReason(Reason):
    """Before the pods run"""

    QUEUED = (
        "Queued",
        "The attempt's Job is suspended until the queue of `spec.execution.queueName` admits it. The message quotes Kueue.",
        "waits in queue team since …: WaitingForQuota: couldn't assign flavors to pod set main: insufficient unused quota for cpu",
        "Wait, or follow Kueue's message (`kubectl describe workload`). Without Kueue in the cluster: install it, or remove `queueName`.",
    )
    INVALID_IMAGE = (
        "InvalidImage",
        "The name of the image is not valid.",
        '2 of 2 pods since …: couldn\'t parse image name "registry.example/Trainer": repository name must be lowercase',
        "Correct `spec.image` (or the chart's `trainer.image`).",
    )
    IMAGE_PULL = (
        "ImagePull",
        "The image cannot be pulled: it does not exist, the registry does not answer, or it requires credentials.",
        '2 of 2 pods since …: failed to pull and unpack image "registry.example/lwm-trainer:v9": not found',
        "Correct `spec.image`, or give credentials in `spec.podTemplate.imagePullSecrets`. The node retries by itself.",
    )
    MISSING_SECRET = (
        "MissingSecret",
        "A Secret that the pods refer to does not exist or has no such key.",
        '2 of 2 pods since …: secret "hf-token" not found',
        "Create the Secret with that key, or correct `spec.podTemplate.env`. The pods then start by themselves.",
    )
    MISSING_CONFIG_MAP = (
        "MissingConfigMap",
        "A ConfigMap that the pods refer to does not exist or has no such key.",
        '2 of 2 pods since …: configmap "settings" not found',
        "Create the ConfigMap with that key, or correct `spec.podTemplate.env`. The pods then start by themselves.",
    )
    CONFIG_ERROR = (
        "ConfigError",
        "The kubelet cannot create the container from its spec.",
        "2 of 2 pods since …: container has runAsNonRoot and image will run as root",
        "Follow the message, which is the kubelet's.",
    )
    CONTAINER_ERROR = (
        "ContainerError",
        "The container runtime of the node cannot create or start the container.",
        "1 of 2 pods since …: failed to reserve container name",
        "Check the pod's node. Deleting the pod starts the next attempt.",
    )
    MISSING_CLAIM = (
        "MissingClaim",
        "A PersistentVolumeClaim that the training refers to does not exist.",
        '2 of 2 pods since …: 0/2 nodes are available: persistentvolumeclaim "shelf" not found.',
        "Create the claim in the training's namespace. The pods then start by themselves.",
    )
    MISSING_ACCOUNT = (
        "MissingAccount",
        "The service account of `spec.podTemplate.serviceAccountName` does not exist, so no pod is created.",
        '2 of 2 pods missing since …: error looking up service account default/trainer: serviceaccount "trainer" not found',
        "Create the account in the training's namespace. The pods are then created by themselves.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "The ResourceQuota of the namespace does not allow the pods.",
        "2 of 2 pods missing since …: exceeded quota: team, requested: pods=1, used: pods=10, limited: pods=10",
        "Wait, free quota, or have the quota raised. The pods are then created by themselves.",
    )
    RESOURCES_MISSING = (
        "ResourcesMissing",
        "A ResourceQuota of the namespace requires a request or limit that a container does not have. Waiting does not help.",
        "2 of 2 pods missing since …: failed quota: compute: must specify limits.memory for: trainer",
        "For `trainer`, set that request or limit in `spec.podTemplate.resources`. For others, have a LimitRange set defaults.",
    )
    LIMIT_RANGE = (
        "LimitRangeViolated",
        "A LimitRange of the namespace does not allow the resources of a container. Waiting does not help.",
        "2 of 2 pods missing since …: maximum memory usage per Container is 16Gi, but limit is 64Gi",
        "Change `spec.podTemplate.resources` to what the message allows, or have the LimitRange changed.",
    )
    POD_SECURITY = (
        "PodSecurity",
        "The Pod Security level of the namespace rejects the pods: a GPU profile needs more rights, or a webhook injects something.",
        '2 of 2 pods missing since …: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)',
        "Without a `gpu.profile` pods fit `restricted`: stop the injection. With one: use a namespace that admits it (docs/platforms.md).",
    )
    PODS_REJECTED = (
        "PodsRejected",
        "The API server rejects the pods for another reason, for example an admission policy.",
        "2 of 2 pods missing since …: ValidatingAdmissionPolicy 'costs' denied request: label team is missing",
        "Follow the message, which is the API server's. The pods are then created by themselves.",
    )
    NODE_NOT_READY = (
        "NodeNotReady",
        "A pod is bound to a node that is not ready or no longer exists.",
        "1 of 2 pods since …: node node2 is not ready: Kubelet stopped posting node status.",
        "Nothing: after 30 s the pod is evicted and the next attempt starts on other nodes. Check the node if it does not return.",
    )
    FAILED_MOUNT = (
        "FailedMount",
        "A volume cannot be attached or mounted on the node.",
        '1 of 2 pods since …: MountVolume.SetUp failed for volume "checkpoint": mount.nfs: Connection refused',
        "Check the volume and its server. The node retries by itself.",
    )
    FAILED_POD_SANDBOX = (
        "FailedCreatePodSandBox",
        "The node cannot set up the network or the sandbox of the pod.",
        "1 of 2 pods since …: Failed to create pod sandbox: no free address in the node's range",
        "Check the network plugin of the node. The node retries by itself.",
    )
    CLAIM_UNBOUND = (
        "ClaimUnbound",
        "A PersistentVolumeClaim exists, but is not bound to a volume yet.",
        "2 of 2 pods since …: pod has unbound immediate PersistentVolumeClaims (claims: shelf)",
        "Check the claim (`kubectl describe pvc`): its storage class, or whether a matching volume exists.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "The scheduler finds no node for a pod. The message quotes it.",
        "2 of 2 pods since …: 0/2 nodes are available: 2 Insufficient memory.",
        "Free or add nodes, or request less in `spec.podTemplate`. The pods then start by themselves.",
    )
    SCHEDULING_GATED = (
        "SchedulingGated",
        "Another controller, for example a queue, holds the pods with a scheduling gate.",
        "2 of 2 pods since …: Scheduling is blocked due to non-empty scheduling gates",
        "Check the controller that set the gate, for example Kueue.",
    )
    PODS_MISSING = (
        "PodsMissing",
        "The Job controller has not created all pods yet and has reported no error.",
        "1 of 2 pods missing since …",
        "Nothing for some seconds. If it persists, check kube-controller-manager.",
    )
    SCHEDULING = (
        "Scheduling",
        "No scheduler has considered the pods yet.",
        "2 of 2 pods since …: no scheduler has looked at them yet",
        "Nothing for some seconds. If it persists, check kube-scheduler.",
    )
    PULLING = (
        "Pulling",
        "A node is pulling the image.",
        '2 of 2 pods since …: Pulling image "registry.example/lwm-trainer:v9"',
        "Nothing: the first pull of a large image takes minutes.",
    )
    CONTAINER_CREATING = (
        "ContainerCreating",
        "The node is setting up the pod: volumes, network, container.",
        "2 of 2 pods since …: the node sets them up",
        "Nothing for some seconds. If the node runs into a problem, the problem is shown instead.",
    )
