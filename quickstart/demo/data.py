"""The demo's data: pictures and clips with captions and as turns of a chat, some books, chats, and both tokenizers."""

import json

from lwm_trainer.data.encoding.chat import SYSTEM
from quickstart.sample_pictures import CLIPS, PICTURES, clips, picture_file
from quickstart.sample_texts import chat_lines
from quickstart.storage import VISION_TOKENIZER, small_objects

PREFIX = f"{SYSTEM} USER:"
"""How LWM's chats begin."""
DRAW, QUESTION = "Draw {caption}.", "What is this?"
"""What a user of the page says to have a picture, and to have it named."""
FRAMES_PER_SECOND, FRAMES = 8, 10
"""Frames of a second that are taken of a clip, and of its example."""
LINES = ["[caption],vision", "[vision],caption", "[draw],vision", "[user],[vision],[question],answer"]
"""A picture or clip after its caption and before it, and both as a chat's answer."""


def demo_objects() -> dict[str, bytes]:
    """Name below the data's folder to content: `books/`, `chat/`, `tokenizer/`, and `vision/` with records, files and tokenizer."""
    files = {name: (caption, picture_file(name).read_bytes()) for name, caption in PICTURES.items()}
    parts = list(clips())
    for caption in CLIPS.values():
        first = next(part for part in parts if part.caption.startswith(caption))
        files[first.name] = caption, first.content
    records = "".join(json.dumps(record(name, caption)) + "\n" for name, (caption, _) in files.items())
    return {
        **small_objects(),
        "chat/verses.jsonl": chat_lines(),
        "vision/records.jsonl": records.encode(),
        f"vision/{VISION_TOKENIZER.name}": VISION_TOKENIZER.read_bytes(),
        **{f"vision/files/{name}": content for name, (_, content) in files.items()},
    }


def record(name: str, caption: str) -> dict[str, object]:
    """A file's record. Its texts are those that the tokens of `lwm sample` and of a chat with the model come from."""
    return {
        "media": f"files/{name}",
        "caption": caption,
        "draw": f"{PREFIX} {DRAW.format(caption=caption)} ASSISTANT:",
        "user": PREFIX,
        "question": f" {QUESTION} ASSISTANT:",
        "answer": f" {caption}",
        "fields": LINES,
    }
