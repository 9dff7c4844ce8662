"""Both images of this checkout, built with docker or buildah, each written as an archive that any cluster's tool takes."""

import os
import re
import shutil
from pathlib import Path

from tools.image_names import REPOSITORY, full_name
from tools.kubectl import CommandError, run

ARCHIVES = REPOSITORY / "build" / "quickstart" / "images"
BUILD_ARGUMENTS = ("BASE", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")
"""Of the Dockerfile, taken from the environment where it has them: for whoever cannot reach docker.io or pypi.org."""
_SECONDS = 3600


def builder() -> str | None:
    """`docker` where its daemon answers, else `buildah`, else nothing."""
    if shutil.which("docker"):
        try:
            run("docker", "version", seconds=20)
        except CommandError:
            pass
        else:
            return "docker"
    return "buildah" if shutil.which("buildah") else None


def archive_of(name: str) -> Path:
    """Where the archive of the image `repository:tag` lies."""
    return ARCHIVES / f"{re.sub('[/:]', '_', name)}.tar"


def build(target: str, name: str) -> Path:
    """The archive of a target of the Dockerfile as image `name`; what was built before is not built again. Raises CommandError."""
    archive = archive_of(name)
    if archive.exists():
        return archive
    program = builder()
    if program is None:
        raise CommandError("neither docker (its daemon must answer) nor buildah is there: install one of them")
    archive.parent.mkdir(parents=True, exist_ok=True)
    for old in archive.parent.glob(f"*lwm-{target}_*"):
        old.unlink()  # an archive is as large as its image
    fresh = archive.with_suffix(".new")
    for command in commands(program, target, name, fresh):
        # docker's attestations make an index of two manifests, of which importers miss one.
        run(*command, seconds=_SECONDS, env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})
    fresh.rename(archive)
    return archive


def commands(program: str, target: str, name: str, archive: Path) -> list[list[str]]:
    """What builds the image and what writes it as an archive that holds it under `name`."""
    full = full_name(name)
    arguments = [f"--build-arg={each}={os.environ[each]}" for each in BUILD_ARGUMENTS if os.environ.get(each)]
    what = [f"--target={target}", *arguments, f"--tag={full}", str(REPOSITORY)]
    if program == "docker":
        return [["docker", "build", *what], ["docker", "save", f"--output={archive}", full]]
    return [["buildah", "build", "--layers", *what], ["buildah", "push", "--quiet", full, f"docker-archive:{archive}:{full}"]]
