"""What MkDocs gets to read: every page, and every file that a page links to."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import yaml

from tools.docs import site


def test_pages_and_what_they_link_to_lie_as_in_the_repository(tmp_path: Path) -> None:
    site.lay_out(tmp_path)
    for page in site.pages():
        assert (tmp_path / page).is_file()
        for linked in site.links(page):
            assert (tmp_path / linked).exists(), f"{page} links to {linked}"


def test_a_folder_that_is_linked_to_has_a_list_of_its_pages(tmp_path: Path) -> None:
    site.lay_out(tmp_path)
    listed = (tmp_path / "docs" / "adr" / "index.md").read_text()
    assert listed.startswith("# docs/adr\n")
    for page in (site.ROOT / "docs" / "adr").glob("*.md"):
        assert f"]({page.name})" in listed
    assert "](docs/adr/index.md)" in (tmp_path / "README.md").read_text()


def test_a_fence_has_one_word_on_the_site(tmp_path: Path) -> None:
    site.lay_out(tmp_path)
    assert "```yaml apply\n" in (site.ROOT / "docs" / "guides" / "gke-tpu.md").read_text()
    assert "```yaml apply\n" not in (tmp_path / "docs" / "guides" / "gke-tpu.md").read_text()


def test_diagrams_are_drawn_by_a_script_of_the_site_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mermaidx" / "assets").mkdir(parents=True)
    (tmp_path / "mermaidx" / "assets" / "mermaid.js").write_text("draw()")
    monkeypatch.setattr(site, "find_spec", lambda name: ModuleSpec(name, None, origin=str(tmp_path / name / "__init__.py")))
    site.add_mermaid(tmp_path / "pages")
    (script,) = yaml.load(site.CONFIG.read_text(), _AnyTag)["extra_javascript"]  # noqa: S506 - a safe loader with one more tag
    assert (tmp_path / "pages" / script).read_text() == "draw()"
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="make docs-site"):
        site.add_mermaid(tmp_path / "pages")


class _AnyTag(yaml.SafeLoader):
    """Reads MkDocs' file, which names a function of Python."""


_AnyTag.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


def test_every_page_is_in_the_navigation() -> None:
    config = yaml.load(site.CONFIG.read_text(), _AnyTag)  # noqa: S506 - a safe loader with one more tag

    def leaves(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [leaf for each in (entry.values() if isinstance(entry, dict) else entry) for leaf in leaves(each)]  # type: ignore[attr-defined]

    named = leaves(config["nav"])
    assert len(named) == len(set(named))
    decisions = {str(page) for page in site.pages() if page.parent == Path("docs/adr")}
    assert set(named) == {str(page) for page in site.pages()} - decisions | {"docs/adr/index.md"}
