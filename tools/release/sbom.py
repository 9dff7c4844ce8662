"""The software bill of materials of each image: its Python packages with their hashes, as CycloneDX from the lock file."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES: Mapping[str, tuple[str, ...]] = {"operator": ("operator",), "trainer": ("serve", "vision")}
"""The extras that the Dockerfile installs into each image. A trainer for accelerators or with trackers has more: add theirs."""


def write_sbom(image: str, file: Path) -> int:
    """Write the bill of `image` and return how many packages it names. Raises OSError where there is no uv or it fails."""
    uv = os.environ.get("LWM_UV") or shutil.which("uv")
    if not uv:
        raise FileNotFoundError("no uv: run make release-check, or install uv")
    extras = [f"--extra={extra}" for extra in IMAGES[image]]
    command = [uv, "export", "--quiet", "--frozen", "--no-dev", "--format=cyclonedx1.5", f"--output-file={file}", *extras]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"uv export: {done.stderr.strip()}")
    return len(json.loads(file.read_text())["components"])
