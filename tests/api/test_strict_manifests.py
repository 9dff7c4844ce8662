"""`lwm` reads a manifest as kubectl and the API server do: both refuse the same files, and admit the same."""

import subprocess
from pathlib import Path

import pytest

from devcluster.paths import binaries
from support.strict_manifests import GOOD, REFUSED


@pytest.mark.usefixtures("definition")
def test_kubectl_and_the_api_server_refuse_what_lwm_refuses(kubeconfig: Path, tmp_path: Path) -> None:
    files = {f"{kind}-{number}.yaml": (name, text) for kind, texts in _TEXTS.items() for number, (name, text) in enumerate(texts.items())}
    for file, (_, text) in files.items():
        (tmp_path / file).write_text(text)
    command = [str(binaries() / "kubectl"), "create", "--dry-run=server", f"--kubeconfig={kubeconfig}", f"--filename={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    refused = {file for file in files if file in done.stderr}
    assert {name for file, (name, _) in files.items() if (file in refused) != file.startswith("refused")} == set(), done.stderr
    assert done.stdout.count("lwmtraining.lwm.dev/strict created (server dry run)") == len(GOOD)


_TEXTS = {"refused": {name: text for name, (text, _) in REFUSED.items()}, "good": GOOD}
