"""All data of the example with pictures: two texts, pictures and clips, chats, and the tokenizer.

.venv/bin/python -m quickstart.data FOLDER
"""

import argparse
from pathlib import Path

from quickstart.chats import chat_lines
from quickstart.manual import topics
from quickstart.pictures import vision_lines
from quickstart.storage import example_objects


def data_objects() -> dict[str, bytes]:
    """Object name to content: the example's, below `manual/` more text, below `vision/` and `chat/` JSON lines."""
    return {
        **example_objects(),
        **{f"manual/{name}": text.encode() for name, text in topics().items()},
        **{f"vision/{name}": lines for name, lines in vision_lines().items()},
        "chat/verses.jsonl": chat_lines(),
    }


def write_data(folder: Path) -> list[Path]:
    """Writes them all below `folder` and returns their paths."""
    paths = []
    for name, content in data_objects().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    print(f"{len(write_data(parser.parse_args().folder))} files are there")
