"""Which shard has which parts of which files, written once so that every worker, and one that starts anew, has the same."""

import json
from dataclasses import asdict

from lwm_trainer.data.documents.store_schema import PLAN, to_json
from lwm_trainer.data.records.shards import Part, Shard, deal, size_of
from lwm_trainer.storage.folder import Folder
from lwm_trainer.storage.listing import Entry, Listing


def read_plan(files: Folder) -> list[Shard] | None:
    """None: there is none yet."""
    content = files.read(PLAN)
    if content is None:
        return None
    shards = json.loads(content)["shards"]
    return [tuple(Part(**part | {"file": Entry(**part["file"])}) for part in shard) for shard in shards]


def make_plan(files: Folder, listing: Listing) -> list[Shard]:
    shards = deal(listing, size_of(listing))
    files.write(PLAN, to_json({"shards": [[asdict(part) for part in shard] for shard in shards]}))
    return shards
