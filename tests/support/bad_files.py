"""Bad files through `lwm` and through kubectl, side by side: `python -m support.bad_files --kubeconfig FILE` prints a table.

Without a kubeconfig it is the half that needs no API server. The exit code is 1 where the two do not refuse the same files.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from devcluster.paths import binaries
from lwm_cli.errors import FileError
from lwm_cli.training import load
from support.api_requests import manifest
from support.strict_manifests import GOOD, NOT_KUBECTLS, REFUSED
from support.validation_rules import RULES

WIDTH = 110
"""Characters of a sentence that the table shows."""
NOTHING = "takes it"


class File(NamedTuple):
    """A file, and what must be said of it."""

    kind: str
    text: str
    refused_by_lwm: bool
    refused_by_kubectl: bool


def files() -> Iterator[File]:
    """All bad files, and the good ones beside them."""
    for kind, (text, _) in REFUSED.items():
        yield File(kind, text, True, True)
    for kind, (wrong, _, _) in RULES.items():
        yield File(kind, json.dumps(manifest("default", **wrong)), True, True)
    for kind, (text, _) in NOT_KUBECTLS.items():
        yield File(f"{kind} (stricter than kubectl)", text, True, False)
    for kind, text in GOOD.items():
        yield File(f"good: {kind}", text, False, False)


def lwm_says(path: Path) -> str:
    """Why `lwm` refuses the file, with the line; empty when it takes it."""
    try:
        load(path)
    except FileError as error:
        return str(error).replace(f"{path}:", "line ").replace(f"{path} ", "")
    return ""


def kubectl_says(path: Path, kubeconfig: Path) -> str:
    """Why kubectl and the API server refuse the file; empty when they take it."""
    command = [str(binaries() / "kubectl"), "create", "--dry-run=server", f"--kubeconfig={kubeconfig}", f"--filename={path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.replace(f'error when creating "{path}": ', "") if done.returncode else ""


def row(*cells: str) -> str:
    """A line of a Markdown table, whose cells are cut at WIDTH."""
    lines = (" ".join(cell.split()).replace("|", "\\|") or NOTHING for cell in cells)
    return f"| {' | '.join(line if len(line) <= WIDTH else line[: WIDTH - 1] + '…' for line in lines)} |"


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m support.bad_files", description=__doc__.partition(":")[0])
    parser.add_argument("--kubeconfig", type=Path, help="of a cluster that has the CRD")
    kubeconfig = parser.parse_args(arguments).kubeconfig
    print(row("file", "lwm", *(["kubectl"] if kubeconfig else [])))
    print("|---|---|" + ("---|" if kubeconfig else ""))
    wrong, refused = [], 0
    with tempfile.TemporaryDirectory(prefix="lwm-bad-files-") as folder:
        for number, file in enumerate(files()):
            path = Path(folder) / f"{number}.yaml"
            path.write_text(file.text)
            sentences = [lwm_says(path), *([kubectl_says(path, kubeconfig)] if kubeconfig else [])]
            print(row(file.kind, *sentences), flush=True)
            refused += bool(sentences[0])
            expected = [file.refused_by_lwm, file.refused_by_kubectl]
            if file.refused_by_lwm != file.refused_by_kubectl:  # what kubectl does then is its own affair
                expected = expected[:1]
            if any(bool(sentence) != refuses for sentence, refuses in zip(sentences, expected, strict=False)):
                wrong.append(file.kind)
    print(f"\n{refused} kinds of bad files" + "".join(f"\nnot as it must be: {kind}" for kind in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
