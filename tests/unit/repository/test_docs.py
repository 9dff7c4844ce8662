"""Every link and every path that a Markdown page names leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/**/*.md")])
OUTPUTS = "build"
"""What the quickstart makes; a clone has no such folder at first."""
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {OUTPUTS}
"""Folders of the repository's root: a path in backticks that begins with one of them must exist."""
SOURCES = [f"/{path.relative_to(ROOT)}" for folder in FOLDERS if not folder.startswith(".") for path in (ROOT / folder).rglob("*.py")]
CODE = re.compile(r"```.*?```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`[^`]*`")
PATH = re.compile(r"`([\w.-]+(?:/[\w.*-]+)+/?)`")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file_and_its_heading(page: Path) -> None:
    for target in LINK.findall(CODE_SPAN.sub("", prose(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{name(page)}: {target}: no such file"
        assert not anchor or anchor in anchors(linked), f"{name(page)}: {target}: {name(linked)} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_in_backticks_that_begins_with_a_folder_of_the_repository_exists(page: Path) -> None:
    for path in PATH.findall(prose(page)):
        if path.split("/")[0] in FOLDERS:
            assert list(ROOT.glob(path.rstrip("/"))), f"{name(page)}: `{path}`: no such file"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_python_file_in_backticks_is_the_end_of_a_path_of_the_repository(page: Path) -> None:
    for path in re.findall(r"`([\w/]+\.py)`", prose(page)):
        assert any(source.endswith(f"/{path}") for source in SOURCES), f"{name(page)}: `{path}`: no such file"
