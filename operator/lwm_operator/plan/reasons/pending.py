"""What holds pods up before they run, the worst first: `waiting` shows the first that applies."""

from lwm_operator.plan.reasons.reason import Reason


class PendingReason(Reason):
    """Before the pods run"""

    QUEUED = (
        "Queued",
        "The attempt's Job is suspended until the queue of `spec.execution.queueName` admits it; the words behind the queue are Kueue's.",
        "waits in queue team since …: WaitingForQuota: couldn't assign flavors to pod set main: insufficient unused quota for cpu",
        "Wait, or do as Kueue's words say (`kubectl describe workload`). With no Kueue installed: install it, or remove the queue's name.",
    )
    INVALID_IMAGE = (
        "InvalidImage",
        "The image's name is not one that a node can read.",
        '2 of 2 pods since …: couldn\'t parse image name "registry.example/Trainer": repository name must be lowercase',
        "Correct `spec.image` (or the chart's `trainer.image`).",
    )
    IMAGE_PULL = (
        "ImagePull",
        "The image cannot be pulled: it is not there, the registry does not answer, or it wants credentials.",
        '2 of 2 pods since …: failed to pull and unpack image "registry.example/lwm-trainer:v9": not found',
        "Correct `spec.image`, or give credentials in `spec.podTemplate.imagePullSecrets`. The node tries again by itself.",
    )
    MISSING_SECRET = (
        "MissingSecret",
        "A Secret that the pods name does not exist, or lacks the key.",
        '2 of 2 pods since …: secret "hf-token" not found',
        "Create the Secret with that key, or correct `spec.podTemplate.env`. The pods go on by themselves.",
    )
    MISSING_CONFIG_MAP = (
        "MissingConfigMap",
        "A ConfigMap that the pods name does not exist, or lacks the key.",
        '2 of 2 pods since …: configmap "settings" not found',
        "Create the ConfigMap with that key, or correct `spec.podTemplate.env`. The pods go on by themselves.",
    )
    CONFIG_ERROR = (
        "ConfigError",
        "The node cannot make the container from what its spec says.",
        "2 of 2 pods since …: container has runAsNonRoot and image will run as root",
        "Do as the message says: it is the node's own.",
    )
    CONTAINER_ERROR = (
        "ContainerError",
        "The node's container runtime refuses to create or start the container.",
        "1 of 2 pods since …: failed to reserve container name",
        "Look at the node that the pod is on; deleting the pod starts the next attempt.",
    )
    MISSING_CLAIM = (
        "MissingClaim",
        "A PersistentVolumeClaim that the training names does not exist.",
        '2 of 2 pods since …: 0/2 nodes are available: persistentvolumeclaim "shelf" not found.',
        "Create the claim in the training's namespace. The pods go on by themselves.",
    )
    MISSING_ACCOUNT = (
        "MissingAccount",
        "The service account of `spec.podTemplate.serviceAccountName` does not exist, so no pod is made.",
        '2 of 2 pods missing since …: error looking up service account default/trainer: serviceaccount "trainer" not found',
        "Create the account in the training's namespace. The pods come by themselves.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "The namespace's ResourceQuota leaves no room for the pods.",
        "2 of 2 pods missing since …: exceeded quota: team, requested: pods=1, used: pods=10, limited: pods=10",
        "Wait, free room, or have the quota raised. The pods come by themselves.",
    )
    POD_SECURITY = (
        "PodSecurity",
        "The namespace's Pod Security level refuses the pods: a GPU profile needs more than it admits, or something injects into them.",
        '2 of 2 pods missing since …: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)',
        "Pods fit `restricted`, but for most of `gpu.profile`: take a namespace that admits it (docs/platforms.md); else end injection.",
    )
    PODS_REFUSED = (
        "PodsRefused",
        "The API server refuses the pods for another reason, such as an admission policy.",
        "2 of 2 pods missing since …: ValidatingAdmissionPolicy 'costs' denied request: label team is missing",
        "Do as the message says: it is the API server's own. The pods come by themselves.",
    )
    NODE_NOT_READY = (
        "NodeNotReady",
        "A pod is bound to a node that is not ready or gone.",
        "1 of 2 pods since …: node node2 is not ready: Kubelet stopped posting node status.",
        "Nothing: after 30 s the pod leaves the node and the next attempt starts elsewhere. Look at the node if it stays away.",
    )
    MOUNT = (
        "Mount",
        "A volume cannot be attached or mounted on the node.",
        '1 of 2 pods since …: MountVolume.SetUp failed for volume "checkpoint": mount.nfs: Connection refused',
        "Look at the volume and its server; the node tries again by itself.",
    )
    SANDBOX = (
        "Sandbox",
        "The node cannot set up the pod's network or sandbox.",
        "1 of 2 pods since …: Failed to create pod sandbox: no free address in the node's range",
        "Look at the node's network plugin; the node tries again by itself.",
    )
    CLAIM_UNBOUND = (
        "ClaimUnbound",
        "A PersistentVolumeClaim exists, but has no volume yet.",
        "2 of 2 pods since …: pod has unbound immediate PersistentVolumeClaims (claims: shelf)",
        "Look at the claim (`kubectl describe pvc`): its storage class, or a volume that fits.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "The scheduler finds no node for a pod; the sentence is its own.",
        "2 of 2 pods since …: 0/2 nodes are available: 2 Insufficient memory.",
        "Free or add nodes, or ask for less in `spec.podTemplate`. The pods go on by themselves.",
    )
    SCHEDULING_GATED = (
        "SchedulingGated",
        "Another controller, such as a queue, holds the pods back with a scheduling gate.",
        "2 of 2 pods since …: Scheduling is blocked due to non-empty scheduling gates",
        "Ask the controller that set the gate, such as Kueue.",
    )
    PODS_MISSING = (
        "PodsMissing",
        "The Job's controller has not made all pods yet, and has not said why.",
        "1 of 2 pods missing since …",
        "Nothing, for some seconds. If it stays, look at kube-controller-manager.",
    )
    SCHEDULING = (
        "Scheduling",
        "No scheduler has looked at the pods yet.",
        "2 of 2 pods since …: no scheduler has looked at them yet",
        "Nothing, for some seconds. If it stays, look at kube-scheduler.",
    )
    PULLING = (
        "Pulling",
        "A node pulls the image.",
        '2 of 2 pods since …: Pulling image "registry.example/lwm-trainer:v9"',
        "Nothing: the first pull of a large image takes minutes.",
    )
    CONTAINER_CREATING = (
        "ContainerCreating",
        "The node sets the pod up: volumes, network, container.",
        "2 of 2 pods since …: the node sets them up",
        "Nothing, for some seconds; if the node meets a difficulty, it is shown instead.",
    )
