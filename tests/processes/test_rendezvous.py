"""How the hosts of a gang find each other, with the variables that a user's environment may hold."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from processes.gang import a_run, free_port

JOIN = """
import sys
from lwm_trainer.config import RunConfig
from lwm_trainer.parallel import distributed
distributed.join(RunConfig.read_json(open(sys.argv[1]).read()), 0)
print("joined")
"""


@pytest.mark.parametrize("variable", ["https_proxy", "grpc_proxy"])
def test_no_proxy_stands_between_the_hosts_of_a_gang(tmp_path: Path, variable: str) -> None:
    """Nobody listens at the proxy, and the coordinator's name is not in no_proxy: through the proxy the gang would never meet."""
    coordinator = f"{socket.gethostname()}:{free_port()}"
    gang = {"job": "j", "service": "s", "hosts": 1, "devicesPerHost": 4, "platform": "cpu", "coordinator": coordinator}
    path = tmp_path / "run.json"
    path.write_text(json.dumps(a_run(tmp_path, gang=gang, compileCache=None)))
    proxies = dict.fromkeys((variable, variable.upper(), "http_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9")
    environment = os.environ | proxies | {"no_proxy": "localhost,127.0.0.1,10.0.0.0/8,.svc,.cluster.local"}
    command = [sys.executable, "-c", JOIN, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["joined"]), done.stderr
    assert "proxy" not in done.stderr
