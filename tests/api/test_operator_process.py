"""The whole process with exactly the rights that the chart gives it: no 403 anywhere, a Lease taken and given back."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client
from support.api_requests import create, reload
from support.operator_process import Process


@pytest.fixture
def operator(account: Path, namespace: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(account, namespace, tmp_path / "log")
    yield process
    process.end()


async def test_it_works_with_the_charts_rights_and_leaves_its_lease_free(client: Client, namespace: str, operator: Process) -> None:
    training = await create(client, namespace)
    lease = paths.item("Lease", namespace, f"{namespace}-leader")
    async with asyncio.timeout(60):
        while (await reload(client, training)).status.reason in ("", "Creating", "PodsMissing"):  # noqa: ASYNC110
            await asyncio.sleep(0.3)
        # An attempt that ends, so that its pods are deleted and the next ones made.
        pods = await client.list(paths.collection("Pod", namespace), f"{names.LABEL_ATTEMPT}=1")
        await client.call("DELETE", paths.item("Pod", namespace, pods[0]["metadata"]["name"]))
        while not await client.list(paths.collection("Job", namespace), f"{names.LABEL_ATTEMPT}=2"):  # noqa: ASYNC110
            await asyncio.sleep(0.3)
    record = (await reload(client, training)).status.stages[0].recent_attempts[-1]
    assert record.root_cause is not None
    held = await client.get(lease)
    assert held is not None
    assert held["spec"]["holderIdentity"] == "operator-under-test"
    assert operator.stop() == 0
    freed = await client.get(lease)
    assert freed is not None
    assert freed["spec"]["holderIdentity"] == ""
    text = operator.log.read_text()
    assert not re.findall(r".*(?:\b403\b|[Ff]orbidden).*", text)
    assert [line["decision"] for line in operator.lines() if line["event"] == "reconciled"]
    assert not [line for line in operator.lines() if line["level"] in ("error", "critical")]


def test_it_says_what_is_missing_without_an_image(kubeconfig: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "LWM_TRAINER_IMAGE"}
    ended = subprocess.run([sys.executable, "-m", "lwm_operator"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 64
    assert ended.stderr.startswith("LWM_TRAINER_IMAGE: it is missing; set the trainer's image")
