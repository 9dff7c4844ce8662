"""Checks whether this checkout can be released: `python -m tools.release` prints a table, and exits 1 when a check fails."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tools import check_packaging
from tools.docs import __main__ as pages
from tools.docs import crd, site
from tools.operator_chart import CHART
from tools.release.crd_compatibility import breaking_changes, spec_schema
from tools.release.licences import installed_with
from tools.release.sbom import IMAGES, write_sbom

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "build" / "release"
EXTRAS = ("fit", "local", "mlflow", "operator", "serve", "trainer", "vision", "wandb")
Result = tuple[bool, str]
"""Whether the check is passed, and what it saw or what to mend."""


def version() -> Result:
    """The chart's version and that of its images are the package's."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    others = {field: chart[field] for field in ("version", "appVersion") if chart[field] != package}
    if others:
        return False, f"pyproject.toml has {package}, Chart.yaml {others}: write {package} there"
    return True, package


def changelog() -> Result:
    """There is something to tell."""
    _, _, unreleased = (ROOT / "CHANGELOG.md").read_text().partition("## Unreleased")
    entries = sum(line.startswith("- ") for line in unreleased.partition("\n## ")[0].splitlines())
    return entries > 0, f"{entries} entries under Unreleased"


def generated() -> Result:
    """CRD and pages are those of the code."""
    differences = [name for name, diff in (("crds", crd.difference()), ("docs", pages.difference())) if diff]
    return not differences, f"{', '.join(differences)} differ: run make crd docs" if differences else "CRD and pages are those of the code"


def compatibility() -> Result:
    """Objects of the last release stay valid. A break needs another version of the API, so it fails the check."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*")
    if tag is None:
        return True, "nothing is released yet, so there is no CRD to compare with"
    released = _git("show", f"{tag}:{crd.PLAIN.relative_to(ROOT)}")
    if released is None:
        return False, f"{tag} has no {crd.PLAIN.name}"
    breaks = list(breaking_changes(spec_schema(yaml.safe_load(released)), spec_schema(yaml.safe_load(crd.PLAIN.read_text()))))
    return not breaks, "; ".join(breaks) or f"objects of {tag} stay valid"


def chart() -> Result:
    """The chart is sound and can be packaged."""
    cache = Path(os.environ.get("LWM_CACHE") or Path.home() / ".cache" / "lwm-operator")
    helm = shutil.which("helm") or str(cache / "bin" / "helm")
    if not Path(helm).exists():
        return False, "helm is neither on PATH nor built: install it, or run make cluster-up once"
    folder = ARTIFACTS / "chart"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in (
        ("lint", "--strict", "--quiet", "--set=image.registry=r.example", CHART),
        ("package", CHART, "--destination", folder),
    ):
        done = subprocess.run([helm, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            return False, (done.stdout + done.stderr).strip()
    (package,) = folder.glob("*.tgz")
    # `helm push` sends this file as it is, so this is the digest of the chart's layer in any registry.
    return True, f"{package.relative_to(ROOT)}, sha256:{hashlib.sha256(package.read_bytes()).hexdigest()}"


def monitoring() -> Result:
    """The chart's alerts fire when they should, and a Prometheus answers its dashboard."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/monitoring"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
    return done.returncode == 0, f"tests/monitoring: {''.join(last)}"


def sbom() -> Result:
    """Each image has a bill of materials."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    counts = {image: write_sbom(image, ARTIFACTS / f"sbom-{image}.cdx.json") for image in IMAGES}
    packages = ", ".join(f"{image} {count} packages" for image, count in counts.items())
    return True, f"build/release/sbom-*.cdx.json: {packages}"


def licences() -> Result:
    """Everything that an installation brings along may be shipped beside Apache-2.0 code."""
    listed = list(installed_with("lwm-operator", EXTRAS))
    refused = [f"{each.name} {each.version} ({each.licence or 'none is named'})" for each in listed if not each.is_allowed]
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    (ARTIFACTS / "licences.tsv").write_text("".join("\t".join(each) + "\n" for each in listed))
    return not refused, f"not allowed: {', '.join(refused)}" if refused else f"{len(listed)} distributions: build/release/licences.tsv"


def documentation() -> Result:
    """The site builds, with no dead link."""
    return site.main() == 0, "build/site"


def packaging() -> Result:
    """The wheel works in clean environments, one for each extra."""
    return check_packaging.main([]) == 0, "wheel in a clean environment for each extra"


CHECKS: Mapping[str, Callable[[], Result]] = {
    check.__name__: check
    for check in (version, changelog, generated, compatibility, chart, monitoring, sbom, licences, documentation, packaging)
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("--without", nargs="+", default=[], choices=list(CHECKS), help="checks to leave out; the table says so")
    left_out = parser.parse_args(arguments).without
    results = {name: (None, "left out") if name in left_out else _result(check) for name, check in CHECKS.items()}
    words: dict[Any, str] = {True: "ok", False: "FAILED", None: "-"}
    for name, (passed, note) in results.items():
        print(f"{name:14} {words[passed]:7} {note}")
    return 1 if any(passed is False for passed, _ in results.values()) else 0


def _result(check: Callable[[], Result]) -> Result:
    try:
        return check()
    except Exception as error:  # one check that breaks leaves the others their turn
        return False, f"{type(error).__name__}: {error}"


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
