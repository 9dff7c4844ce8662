"""Each of the operator's rights is needed: taken away from an account that has all others, exactly its part of the work is refused."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devcluster.paths import REPOSITORY
from lwm_operator.api.training import Training
from lwm_operator.cluster.client import ApiError, Body, Client, configuration
from support import api_requests
from support.helm_chart import apply, remove_global, rendered
from support.rbac_calls import BLOCKS_DELETION, LEADS, PARTS, WITHOUT_BLOCKING, Part, Recorder, Right, of_rules, page, place

PAGE = REPOSITORY / "docs" / "rights.md"
ID = f"rights-{uuid.uuid4().hex[:6]}"
AT_ONCE = 8
RBAC = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NOWHERE = {"nodeSelector": {"lwm.dev/test": "nowhere"}}

Tables = dict[str, dict[Right, str]]


def charts() -> dict[str, set[Right]]:
    bodies = rendered(ID, ID, "--show-only=templates/rbac.yaml")
    (everywhere,) = (of_rules(body["rules"]) for body in bodies if body["kind"] == "ClusterRole")
    (leader,) = (of_rules(body["rules"]) for body in bodies if body["kind"] == "Role")
    nodes = {right for right in everywhere if right.resource == "nodes"}
    return {"operator": everywhere - nodes, "nodes": nodes, "leader": leader}


def account(user: str, rights: Iterable[Right]) -> list[Body]:
    """Roles for exactly these rights; who speaks is said by impersonation."""
    rights = set(rights)
    bodies: list[Body] = []
    for kind, where, some in (
        ("Role", {"namespace": ID}, {right for right in rights if right.resource != "nodes"}),
        ("ClusterRole", {}, {right for right in rights if right.resource == "nodes"}),
    ):
        rules = [{"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]} for right in sorted(some)]
        about = {"metadata": {"name": user, **where}}
        subjects = [{"kind": "User", "name": user, "apiGroup": RBAC}]
        bodies += [
            {"apiVersion": f"{RBAC}/v1", "kind": kind, **about, "rules": rules},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{kind}Binding",
                **about,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": user},
                "subjects": subjects,
            },
        ]
    return bodies


class Run:
    """One namespace, an administrator, and an account for each question."""

    def __init__(self, administrator: Client) -> None:
        self.administrator = administrator
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.made: list[Body] = []

    async def user(self, name: str, rights: set[Right]) -> Recorder:
        """In force once the API server says so."""
        user = f"{ID}-{name}"
        bodies = account(user, rights)
        self.made += bodies
        await apply(self.administrator, bodies)
        recorder = Recorder(await configuration())
        recorder.used = set()
        recorder._api.default_headers["Impersonate-User"] = user
        for right in (next((right for right in sorted(rights) if right.resource != "nodes"), None), Right("", "nodes", "get")):
            if right in rights:
                await self.allowed(recorder, right)
        recorder.used.clear()
        return recorder

    @staticmethod
    async def allowed(client: Client, right: Right) -> None:
        where = {} if right.resource == "nodes" else {"namespace": ID}
        resource, _, sub = right.resource.partition("/")
        attributes = {"group": right.group, "resource": resource, "subresource": sub, "verb": right.verb, **where}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        async with asyncio.timeout(30):
            while not (await client.call("POST", REVIEWS, body=body))["status"]["allowed"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def training(self, name: str, part: Part) -> Training:
        made = await api_requests.create(self.administrator, ID, name, podTemplate=NOWHERE)
        if part.before is not None:
            await part.before(self.administrator, made)
        return made

    async def uses(self, number: int, part: Part, rights: set[Right]) -> set[Right]:
        """What the part needs, done with all rights."""
        async with self.turns:
            client = await self.user(f"all-{number}", rights)
            try:
                await part.does(client, await self.training(f"all-{number}", part))
            finally:
                await client.close()
            return client.used

    async def refused(self, number: int, right: Right, part: Part, rights: set[Right]) -> ApiError:
        async with self.turns:
            client = await self.user(f"no-{number}", rights - {right})
            try:
                with pytest.raises(ApiError) as caught:
                    await part.does(client, await self.training(f"no-{number}", part))
            finally:
                await client.close()
            return caught.value


@asynccontextmanager
async def running() -> AsyncIterator[Run]:
    client = Client(await configuration())
    run = Run(client)
    await client.call("POST", "/api/v1/namespaces", body={"metadata": {"name": ID}})
    try:
        yield run
    finally:
        await remove_global(client, run.made)
        await client.call("DELETE", f"/api/v1/namespaces/{ID}")
        await client.close()


async def shown() -> tuple[set[Right], Tables, dict[Right, str]]:
    """The operator's rights that its parts use, the tables, and wrong answers by right."""
    chart, wrong = charts(), {}
    rights = chart["operator"] | chart["nodes"]
    tables: Tables = {group: {} for group in chart}
    async with running() as run:
        used = await asyncio.gather(*(run.uses(number, part, rights) for number, part in enumerate(PARTS)))
        first = {right: part for part, some in reversed(list(zip(PARTS, used, strict=True))) for right in some}
        probed = sorted(right for right in rights if right in first)
        errors = await asyncio.gather(*(run.refused(number, right, first[right], rights) for number, right in enumerate(probed)))
        answers = [
            ("nodes" if right.resource == "nodes" else "operator", right, first[right], error)
            for right, error in zip(probed, errors, strict=True)
        ]
        # One Lease for all: one after the other, and it is there only after the first who may do everything.
        for number, verb in enumerate(("get", "create", "", "update"), 100):
            if not verb:
                assert await run.uses(number, LEADS, chart["leader"]) == chart["leader"]
                continue
            right = Right("coordination.k8s.io", "leases", verb)
            answers.append(("leader", right, LEADS, await run.refused(number, right, LEADS, chart["leader"])))
    tables["operator"][BLOCKS_DELETION] = WITHOUT_BLOCKING
    for group, right, part, error in answers:
        method, path = str(error).split(":")[0].split(" ")
        tables[group][right] = f"`{method} {place(path)[1]}` | {part.without}"
        if error.code != 403 or right.words not in error.message:
            wrong[right] = str(error)
    return {BLOCKS_DELETION}.union(*used), tables, wrong


@pytest.fixture(scope="module")
def permissions(kubeconfig: Path, definition: None) -> tuple[set[Right], Tables, dict[Right, str]]:
    return asyncio.run(shown())


def test_the_chart_gives_every_right_that_is_used_and_no_other(permissions: tuple[set[Right], Tables, dict[Right, str]]) -> None:
    chart = charts()
    assert permissions[0] == chart["operator"] | chart["nodes"]
    assert {group: set(table) for group, table in permissions[1].items()} == chart


def test_without_a_right_its_part_is_refused_with_a_sentence_that_names_it(
    permissions: tuple[set[Right], Tables, dict[Right, str]],
) -> None:
    assert permissions[2] == {}


def test_the_page_tells_what_was_seen(permissions: tuple[set[Right], Tables, dict[Right, str]], tmp_path: Path) -> None:
    (tmp_path / "rights.md").write_text(page(permissions[1]))
    assert PAGE.read_text() == page(permissions[1]), f"copy {tmp_path}/rights.md to docs/rights.md"


def test_the_page_names_exactly_the_charts_rights() -> None:
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ([a-z]+) \| ", PAGE.read_text(), re.MULTILINE)
    listed = [Right("" if group == "core" else group, resource, verb) for group, resource, verb in rows]
    assert sorted(listed) == sorted(right for rights in charts().values() for right in rights)
