"""RBAC permissions of the operator: what each call to the API server needs, and the parts of the operator that make the calls."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import kopf

from lwm_operator.api import names
from lwm_operator.api.accelerator import Accelerator, Tpu
from lwm_operator.api.training import Training
from lwm_operator.cluster import kueue, paths
from lwm_operator.cluster.apply import carry_out
from lwm_operator.cluster.client import ApiError, Body, Client
from lwm_operator.cluster.events import post_event
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.leader import Leader
from lwm_operator.cluster.node_reader import NodeReader
from lwm_operator.cluster.pod_diagnostics import explain_pods, find_lost_nodes
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller import handlers
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.plan.actions import CleanUp, CreateAttempt, DeleteAttempt, DeletePod, Event
from lwm_operator.plan.observed import Observed, PodState, Waiting
from lwm_operator.plan.plan import plan
from simulation.builders import pod

IMAGE = "registry.invalid/lwm-trainer:none"
VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


class Right(NamedTuple):
    group: str
    resource: str
    verb: str

    @property
    def words(self) -> str:
        """How the API server names it in its rejection."""
        return f'cannot {self.verb} resource "{self.resource}" in API group "{self.group}"'


def of_rules(rules: list[Body]) -> set[Right]:
    return {
        Right(group, name, verb) for rule in rules for group in rule["apiGroups"] for name in rule["resources"] for verb in rule["verbs"]
    }


def place(path: str) -> tuple[str, str, bool]:
    """Group and resource of an API path, and whether it names one object."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    resource, *one = rest[2:] if rest[0] == "namespaces" and len(rest) > 2 else rest
    return group, "/".join([resource, *one[1:]]), bool(one)


class Recorder(Client):
    """Records the permission that each call needs."""

    used: set[Right]

    async def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Body | None = None, content: str = "application/json"
    ) -> Body:
        group, resource, one = place(path)
        verb = VERBS.get(method) or ("patch" if method == "PATCH" else "get" if one else "watch" if "watch" in (query or {}) else "list")
        self.used.add(Right(group, resource, verb))
        return await super().call(method, path, query=query, body=body, content=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`does` is the operator's own code; `before` is what the administrator's client prepares for it."""

    does: Callable[[Client, Training], Awaitable[object]]
    before: Callable[[Client, Training], Awaitable[object]] | None = None
    without: str
    """The effect that a user sees."""


def now() -> datetime:
    return datetime.now(UTC)


def started(training: Training) -> CreateAttempt:
    return next(action for action in plan(training, Observed(), now()).actions if isinstance(action, CreateAttempt))


async def create(client: Client, training: Training) -> None:
    await carry_out(client, training, started(training), IMAGE)


async def create_slices(client: Client, training: Training) -> None:
    """An attempt with two Jobs, which are released once both exist."""
    tpu = Tpu(family="v6e", topology="2x2", slices=2)
    sliced = training.model_copy(update={"spec": training.spec.model_copy(update={"accelerator": Accelerator(type="tpu", tpu=tpu)})})
    await create(client, sliced)


async def list_trainings(client: Client, training: Training) -> None:
    cluster = KubernetesCluster(client, trainer_image=IMAGE, instance="tests", namespaces=(training.metadata.namespace,))
    await cluster.list_trainings()


async def watch(client: Client, training: Training) -> None:
    """What kopf does for our handlers."""
    registry = kopf.OperatorRegistry()
    handlers.register(registry, KeyedQueue(lambda: 0.0))
    for handler in registry._watching.get_all_handlers():
        kind = handler.selector
        assert kind is not None
        base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        path = f"{base}/namespaces/{training.metadata.namespace}/{kind.any_name}"
        await client.list(path)
        await client.call("GET", path, query={"watch": "true", "timeoutSeconds": "1", "labelSelector": f"{names.LABEL_UID}=none"})


async def tell_twice(client: Client, training: Training) -> None:
    for _ in range(2):
        await post_event(client, training.metadata, Event(reason="Told", message="m", key="told"), now(), "tests")


async def look_at(client: Client, training: Training) -> None:
    reconciler = Reconciler(KubernetesCluster(client, trainer_image=IMAGE, instance="tests", now=now))
    await reconciler.reconcile(TrainingKey(training.metadata.namespace, training.metadata.name))


async def ask_why(client: Client, training: Training) -> None:
    slow = pod(state=PodState.PENDING, waiting=Waiting(reason="ContainerCreating", message="", since=""))
    await explain_pods(client, training.metadata.namespace, (slow,), {}, now())


async def ask_about_node(client: Client, training: Training) -> None:
    await find_lost_nodes(NodeReader(client), (pod(deleting=True),), now())


async def delete_pod(client: Client, training: Training) -> None:
    await carry_out(client, training, DeletePod(name="x", uid="u", grace_seconds=None), IMAGE)


async def jobs(client: Client, training: Training) -> tuple[tuple[str, str], ...]:
    listed_jobs = await client.list(paths.collection("Job", training.metadata.namespace), f"{names.LABEL_UID}={training.metadata.uid}")
    return tuple((body["metadata"]["name"], body["metadata"]["uid"]) for body in listed_jobs)


async def delete_attempt(client: Client, training: Training) -> None:
    await carry_out(client, training, DeleteAttempt(stage=1, attempt=1, jobs=await jobs(client, training)), IMAGE)


async def clean_up(client: Client, training: Training) -> None:
    first = DeleteAttempt(stage=1, attempt=1, jobs=await jobs(client, training))
    await carry_out(client, training, CleanUp(attempts=(first,)), IMAGE)


async def ask_queue(client: Client, training: Training) -> None:
    """Without Kueue, the API server answers 404 to an account that may list workloads, and 403 to any other."""
    try:
        await kueue.list_workloads(client, "v1beta1", training.metadata.namespace, training.metadata.uid)
    except ApiError as error:
        if error.code != 404:
            raise


async def lead(client: Client, training: Training) -> None:
    def report(holder: str, error: ApiError | None) -> None:
        if error is not None:
            raise error

    leader = Leader(client, namespace=training.metadata.namespace, name="lwm-operator", identity="tests", now=now, report=report)
    await leader.acquire()
    await leader.release()


PARTS = (
    Part(
        does=list_trainings,
        without="the operator does not start, or serves only its other namespaces; its log says so and names the missing permission",
    ),
    Part(does=tell_twice, without="Events are not posted, or repeated Events are not counted; trainings continue"),
    Part(
        does=look_at,
        without="no attempt starts; the log says `reconcile_failed`, and so does `status.message` if the operator can write it",
    ),
    Part(
        does=watch,
        without="the operator notices no changes; the log names the rejected watch, which is tried again each minute",
    ),
    Part(does=ask_why, without="the status does not explain why pods start slowly, and the training is not reconciled while they do"),
    Part(
        does=ask_about_node,
        without="the training is not reconciled while the state of a pod is uncertain (not needed with `rbac.scope: namespace`)",
    ),
    Part(does=ask_queue, without="the status does not quote Kueue's message while an attempt waits in its queue"),
    Part(does=create, before=create, without="an attempt whose creation a crash or a refusal interrupted is not completed"),
    Part(does=create_slices, without="the Jobs of an attempt with several slices stay suspended"),
    Part(does=delete_pod, without="surviving pods of an attempt that lost a host are not deleted; the next attempt waits until they exit"),
    Part(does=delete_attempt, before=create, without="old attempts are not deleted"),
    Part(does=clean_up, before=create, without="the objects of a finished training are not deleted"),
)
LEADS = Part(does=lead, without="the operator does not become leader; its log says `lease_not_renewed` and names the missing permission")

BLOCKS_DELETION = Right(names.GROUP, f"{names.PLURAL}/finalizers", "update")
"""No request of the operator needs it, except where the API server has the admission plugin OwnerReferencesPermissionEnforcement."""
WITHOUT_BLOCKING = "`POST services` where OwnerReferencesPermissionEnforcement is on | there, no attempt starts; elsewhere nothing"

HEAD = """# RBAC permissions of the operator

`tests/api/test_operator_permissions.py` generates this page. For each permission, the test uses an account that has all other permissions,
runs the operator's code against a real API server, and records the rejected request. The chart grants exactly the permissions that the
operator uses.
"""
GROUPS = {
    "operator": "In every namespace with trainings (a ClusterRole, or Roles with `rbac.scope: namespace`)",
    "nodes": "Cluster-wide (only with `rbac.scope: cluster`)",
    "leader": "For the leader election Lease, in the release's namespace, or in `default` if all namespaces are watched",
}


def page(tables: Mapping[str, Mapping[Right, str]]) -> str:
    """The page in Markdown: what fails without each right, by group."""
    lines = [HEAD]
    for group, table in tables.items():
        lines += [
            f"## {GROUPS[group]}",
            "",
            "| API group | resource | verb | rejected request | effect without the permission |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [f"| {right.group or 'core'} | {right.resource} | {right.verb} | {table[right]} |" for right in sorted(table)]
        lines.append("")
    return "\n".join(lines)
