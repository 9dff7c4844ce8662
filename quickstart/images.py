"""The images of this checkout for an external cluster: built with docker or buildah, loaded by the command in IMAGE_LOAD."""

import os
import re
import shutil
from pathlib import Path

from tools.image_names import REPOSITORY, TARGETS, full_name, tag
from tools.kubectl import CommandError, run

ARCHIVES = REPOSITORY / "build" / "quickstart" / "images"
BUILD_ARGUMENTS = ("BASE", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")
"""Arguments of the Dockerfile that are taken from the environment, for machines that cannot reach docker.io or pypi.org."""
_BUILD_SECONDS = 3600
_LOAD_SECONDS = 1800


def image_load_help(context: str) -> str:
    """The error where neither IMAGE_LOAD nor IMAGES_LOADED is given."""
    name = context.removeprefix("kind-").removeprefix("k3d-")
    return f"""IMAGE_LOAD is missing: a shell command that loads one image into the cluster. It runs once for each of the two images,
with the variables IMAGE (name:tag) and ARCHIVE (path of a tar file) set. Put it in single quotes, so that your shell does not expand them:
  IMAGE_LOAD='kind load image-archive $ARCHIVE --name {name}'
  IMAGE_LOAD='minikube image load $ARCHIVE --profile {name}'
  IMAGE_LOAD='k3d image import $ARCHIVE --cluster {name}'
Through a registry that the cluster pulls from: IMAGE_REGISTRY=reg.example/x IMAGE_LOAD='docker push $IMAGE'
If the cluster has both images already, name their tag instead: IMAGES_LOADED=<tag>"""


def image_names(version: str, registry: str = "") -> tuple[str, str]:
    """The operator's and the trainer's image with the tag `version`."""
    prefix = f"{registry.rstrip('/')}/" if registry else ""
    operator, trainer = (f"{prefix}lwm-{target}:{version}" for target in TARGETS)
    return operator, trainer


def build_and_load(hook: str, registry: str = "") -> tuple[str, str]:
    """Builds both images of this checkout, loads them into the cluster and returns their names. Raises CommandError."""
    names = image_names(tag(), registry)
    for target, image in zip(TARGETS, names, strict=True):
        print(f"image {image}: building", flush=True)
        archive = build(target, image)
        print(f"image {image}: {hook}", flush=True)
        load(hook, image, archive)
    return names


def load(hook: str, image: str, archive: Path) -> None:
    """Runs the hook for one image. Raises CommandError with its output."""
    try:
        run("sh", "-c", hook, seconds=_LOAD_SECONDS, env={**os.environ, "IMAGE": image, "ARCHIVE": str(archive)})
    except CommandError as error:
        raise CommandError(f"IMAGE_LOAD with IMAGE={image} ARCHIVE={archive}: {error}") from error


def build(target: str, name: str) -> Path:
    """Archive of a target of the Dockerfile as image `name`; what was built before is not built again. Raises CommandError."""
    archive = archive_of(name)
    if archive.exists():
        return archive
    program = builder()
    if program is None:
        raise CommandError("neither docker (its daemon must answer) nor buildah is available: install one of them")
    archive.parent.mkdir(parents=True, exist_ok=True)
    for old in archive.parent.glob(f"*lwm-{target}_*"):
        old.unlink()  # an archive is as large as its image
    fresh = archive.with_suffix(".new")
    for command in build_commands(program, target, name, fresh):
        # docker's attestations make an index of two manifests, of which importers miss one.
        run(*command, seconds=_BUILD_SECONDS, env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})
    fresh.rename(archive)
    return archive


def builder() -> str | None:
    """`docker` where its daemon answers, else `buildah`, else None."""
    if shutil.which("docker"):
        try:
            run("docker", "version", seconds=20)
        except CommandError:
            pass
        else:
            return "docker"
    return "buildah" if shutil.which("buildah") else None


def archive_of(name: str) -> Path:
    """Path of the archive of the image `repository:tag`."""
    return ARCHIVES / f"{re.sub('[/:]', '_', name)}.tar"


def build_commands(program: str, target: str, name: str, archive: Path) -> list[list[str]]:
    """The command that builds the image, and the one that writes it as an archive that holds it under `name`."""
    full = full_name(name)
    arguments = [f"--build-arg={argument}={os.environ[argument]}" for argument in BUILD_ARGUMENTS if os.environ.get(argument)]
    options = [f"--target={target}", *arguments, f"--tag={full}", str(REPOSITORY)]
    if program == "docker":
        return [["docker", "build", *options], ["docker", "save", f"--output={archive}", full]]
    return [["buildah", "build", "--layers", *options], ["buildah", "push", "--quiet", full, f"docker-archive:{archive}:{full}"]]
