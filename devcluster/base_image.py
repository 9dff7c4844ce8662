"""The base image where no registry can be reached: Debian bookworm (whose Python is 3.11) by debootstrap."""

import shutil
from pathlib import Path

from devcluster import oci
from devcluster.paths import cache
from devcluster.run import locked, output, say

BASE_IMAGE = "localhost/lwm-base:bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
# Folders that the images do not need.
DROPPED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")


def archive() -> Path:
    """The base image as an OCI archive, made once (about a minute) and kept in the cache."""
    target = cache() / "images" / "base-bookworm.tar"
    with locked(cache() / "images" / "base.lock"):
        if not target.exists():
            say("base image: debootstrap of Debian bookworm (once)")
            root = cache() / "images" / "base-root"
            shutil.rmtree(root, ignore_errors=True)
            packages = "--include=python3,python3-venv,ca-certificates"
            output(["debootstrap", "--variant=minbase", packages, "bookworm", root, "http://deb.debian.org/debian"])
            furnish(root)
            layer = cache() / "images" / "base.layer"
            output(["tar", "--create", "--file", layer, "--sort=name", "--numeric-owner", "--directory", root, "."])
            oci.write(target.with_suffix(".new"), BASE_IMAGE, layer, [])
            target.with_suffix(".new").rename(target)
            layer.unlink()
            shutil.rmtree(root)
    return target


def furnish(root: Path) -> None:
    """Make the tree look like python:3.11-slim: `python` on the PATH, this machine's authorities, nothing superfluous."""
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    if AUTHORITIES.exists():
        shutil.copyfile(AUTHORITIES, root / "etc/ssl/certs/ca-certificates.crt")
    for name in DROPPED:
        for path in (root / name).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
