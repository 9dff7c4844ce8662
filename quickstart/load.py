"""Images given to somebody else's cluster by the one hook that its owner names."""

import os
from pathlib import Path

from quickstart.build import build
from tools.image_names import TARGETS, tag
from tools.kubectl import CommandError, run

_SECONDS = 1800


def needed(context: str) -> str:
    """What to say where neither IMAGE_LOAD nor IMAGES_LOADED is given."""
    name = context.removeprefix("kind-").removeprefix("k3d-")
    return f"""IMAGE_LOAD is missing: a shell command that gives one image to the cluster. It is run once for each of the two images,
with the variables IMAGE (name:tag) and ARCHIVE (path of a tar file) set; in single quotes, so that your shell leaves them alone:
  IMAGE_LOAD='kind load image-archive $ARCHIVE --name {name}'
  IMAGE_LOAD='minikube image load $ARCHIVE --profile {name}'
  IMAGE_LOAD='k3d image import $ARCHIVE --cluster {name}'
By a registry that the cluster pulls from: IMAGE_REGISTRY=reg.example/x IMAGE_LOAD='docker push $IMAGE'
Where both images are there already, say their tag instead: IMAGES_LOADED=<tag>"""


def names(tag_: str, registry: str = "") -> tuple[str, str]:
    """The operator's and the trainer's image."""
    prefix = f"{registry.rstrip('/')}/" if registry else ""
    operator, trainer = (f"{prefix}lwm-{target}:{tag_}" for target in TARGETS)
    return operator, trainer


def load(hook: str, image: str, archive: Path) -> None:
    """Runs the hook for one image. Raises CommandError with what it said."""
    try:
        run("sh", "-c", hook, seconds=_SECONDS, env={**os.environ, "IMAGE": image, "ARCHIVE": str(archive)})
    except CommandError as error:
        raise CommandError(f"IMAGE_LOAD with IMAGE={image} ARCHIVE={archive}: {error}") from error


def build_and_load(hook: str, registry: str = "") -> tuple[str, str]:
    """Names of both images of this checkout, after the cluster was given them. Raises CommandError."""
    found = names(tag(), registry)
    for target, image in zip(TARGETS, found, strict=True):
        print(f"image {image}: building", flush=True)
        archive = build(target, image)
        print(f"image {image}: {hook}", flush=True)
        load(hook, image, archive)
    return found
