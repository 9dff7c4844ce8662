"""The documentation as a site: `python -m tools.docs.site` builds build/site from the pages of the repository.

Links in the pages are relative to where they lie in the repository. So the pages and the files that they link to are laid out below
build/site-pages as they lie there, a folder that a page links to gets a list of its pages, and MkDocs reads that. Every warning, such as a
link that leads nowhere, is an error.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES, SITE = ROOT / "build" / "site-pages", ROOT / "build" / "site"
CONFIG = ROOT / "mkdocs.yml"
ENVIRONMENT = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
"""Without the theme's advertisement of its successor."""
TOP_PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "charts/lwm-operator/README.md")
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
_FENCE = re.compile(r"^( *```\w+) .*$", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def pages() -> list[Path]:
    """The site's pages, relative to the repository."""
    return [*map(Path, TOP_PAGES), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))]


def links(page: Path) -> Iterator[Path]:
    """The files and folders of the repository to which a page links, relative to the repository; those that do not exist, too."""
    for target in _LINK.findall(_CODE.sub("", (ROOT / page).read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            yield (ROOT / page.parent / target).resolve().relative_to(ROOT)


def title(page: Path) -> str:
    """The first heading of a page."""
    return next(line for line in (ROOT / page).read_text().splitlines() if line.startswith("# ")).removeprefix("# ")


def folder_page(folder: Path) -> str:
    """A list of the pages in a folder."""
    listed = [page for page in pages() if page.parent == folder]
    return "\n".join([f"# {folder}", "", *(f"- [{title(page)}]({page.name})" for page in listed), ""])


def lay_out(target: Path) -> None:
    """Write all that MkDocs reads below `target`."""
    shutil.rmtree(target, ignore_errors=True)
    for page in pages():
        _copy(page, target)
        for linked in links(page):
            if (ROOT / linked).is_dir():
                (target / linked).mkdir(parents=True, exist_ok=True)
                (target / linked / "index.md").write_text(folder_page(linked))
            elif linked.suffix != ".md" and (ROOT / linked).exists():
                _copy(linked, target)


def _copy(file: Path, target: Path) -> None:
    place = target / file
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix != ".md":
        shutil.copyfile(ROOT / file, place)
        return
    # MkDocs knows links to pages only, not to folders, and after a fence one word only: of `yaml apply` the tests read the second.
    text = _FENCE.sub(r"\1", (ROOT / file).read_text())
    for name in {name for name in _LINK.findall(_CODE.sub("", text)) if (ROOT / file.parent / name).is_dir()}:
        text = text.replace(f"]({name})", f"]({name.rstrip('/')}/index.md)")
    place.write_text(text)


def add_mermaid(target: Path) -> None:
    """Copy mermaid.js, which draws the diagrams in a reader's browser: the theme would fetch it from elsewhere."""
    package = find_spec("mermaidx")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("no mermaidx: make docs-site installs what the site needs")
    place = target / "javascripts" / "mermaid.js"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(package.origin).parent / "assets" / "mermaid.js", place)


def main() -> int:
    lay_out(PAGES)
    add_mermaid(PAGES)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", CONFIG], env=ENVIRONMENT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
