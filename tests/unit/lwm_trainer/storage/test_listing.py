"""The address of a listed file, from the address of its source."""

from pathlib import Path

import pytest

from lwm_trainer.storage.disk import list_disk
from lwm_trainer.storage.listing import file_uri


@pytest.mark.parametrize("source", ["a*b", "a*b/part.txt", "a*b/*.txt", "plain", "plain/*", "plain/part.txt", "*/part.txt"])
def test_it_is_that_of_the_listing_though_a_folder_has_an_asterisk_in_its_name(source: str, tmp_path: Path) -> None:
    for folder in ("a*b", "acb", "plain"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part.txt").write_text("stone")
    uri = f"{tmp_path}/{source}"
    listing = list_disk(uri)
    assert [file_uri(uri, entry.name) for entry in listing.entries] == [listing.uri(entry) for entry in listing.entries]
    assert all(Path(listing.uri(entry)).is_file() for entry in listing.entries)
