"""Names and tags of this checkout's images."""

import hashlib
from pathlib import Path

from tools.kubectl import run

REPOSITORY = Path(__file__).resolve().parents[1]
TARGETS = ("operator", "trainer")
INPUTS = ("Dockerfile", ".dockerignore", "pyproject.toml", "uv.lock", "cli", "operator", "trainer")


def tag(repository: Path = REPOSITORY) -> str:
    """The commit's hash; with a hash of the changes where what goes into the images is not committed. Raises CommandError."""
    git = ["git", "-C", str(repository)]
    commit = run(*git, "rev-parse", "--short=12", "HEAD").strip()
    digest = hashlib.sha256(run(*git, "diff", "HEAD", "--", *INPUTS).encode())
    untracked = run(*git, "ls-files", "--others", "--exclude-standard", "-z", "--", *INPUTS).split("\0")
    changed = bool(run(*git, "status", "--porcelain", "--", *INPUTS).strip())
    for name in sorted(filter(None, untracked)):
        digest.update(name.encode() + (repository / name).read_bytes())
    return f"{commit}-dirty-{digest.hexdigest()[:8]}" if changed else commit


def full_name(name: str) -> str:
    """The name by which a kubelet asks for an image; a name without a registry is Docker's."""
    return name if "/" in name else f"docker.io/library/{name}"
