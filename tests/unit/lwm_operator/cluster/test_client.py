"""The client tells an API server that is silent from one that answers."""

import pytest
from kubernetes.aio.client import Configuration

from lwm_operator.cluster import client as module
from lwm_operator.cluster.client import UNREACHABLE, ApiError, Client
from support.faulty_servers import denying, silent


async def test_seconds_without_an_answer_count_until_the_next_answer_of_any_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.2)
    with silent("127.0.0.1") as port, denying("127.0.0.1") as other_port:
        settings = Configuration()
        settings.host = f"http://127.0.0.1:{port}"
        client = Client(settings)
        assert client.unreachable_seconds() == 0
        with pytest.raises(ApiError) as error:
            await client.get("/api/v1/pods")
        assert error.value.code == UNREACHABLE
        assert client.unreachable_seconds() >= 0.2
        settings.host = f"http://127.0.0.1:{other_port}"
        with pytest.raises(ApiError, match="403"):
            await client.get("/api/v1/pods")
        assert client.unreachable_seconds() == 0
        await client.close()
