"""The page: its files are there, name nothing outside the server, and need nothing that its headers forbid."""

import re
from importlib.resources import files

from lwm_trainer.serving.web_page import HEADERS, KINDS

PAGE = files("lwm_trainer.serving") / "page"
CONTENTS = {name: (PAGE / name).read_text(encoding="utf-8") for name in KINDS}


def test_every_file_of_the_folder_is_served_and_no_other() -> None:
    assert {file.name for file in PAGE.iterdir()} == KINDS.keys()


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r'(?:src|href)="page/([^"]+)"', CONTENTS["index.html"])
    named += [name for text in CONTENTS.values() for name in re.findall(r'from "\./([^"]+)"', text)]
    assert set(named) == KINDS.keys() - {"index.html"}


def test_nothing_is_loaded_from_elsewhere_and_nothing_stands_inline() -> None:
    for name, text in CONTENTS.items():
        assert "//" not in re.sub(r"^\s*//.*|; //.*", "", text, flags=re.MULTILINE), name
    page = CONTENTS["index.html"]
    assert re.findall(r"<script[^>]*>", page) == ['<script type="module" src="page/talk.js">']
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert "'unsafe" not in HEADERS["Content-Security-Policy"]


def test_text_of_a_model_never_becomes_markup() -> None:
    for name in ("talk.js", "completion.js", "drawing.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", CONTENTS[name])


def test_every_element_that_the_script_uses_is_in_the_page() -> None:
    used = set(re.findall(r'element\("([\w-]+)"\)', CONTENTS["talk.js"])) | {"talk", "settings", "compose", "message", "send"}
    fields = set(re.findall(r"settings\.elements\.(\w+)", CONTENTS["talk.js"])) | {"temperature", "top_p", "max_tokens", "seed"}
    assert used <= set(re.findall(r'\sid="([\w-]+)"', CONTENTS["index.html"]))
    assert fields <= set(re.findall(r'\sname="(\w+)"', CONTENTS["index.html"]))
