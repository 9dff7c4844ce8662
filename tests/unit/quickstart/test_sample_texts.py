"""The example's text and tokenizer."""

from tokenizers import Tokenizer

from lwm_trainer.data.encoding.tokenizer import Tokenizer as Loaded
from quickstart.sample_texts import books
from quickstart.storage import SHORT_BOOKS, example_objects, small_objects
from quickstart.tokenizer.train import PATH, PIECES, train


def test_the_text_is_66_books_cut_at_their_borders() -> None:
    texts = books()
    assert len(texts) == 66
    assert list(texts) == sorted(texts)
    assert texts["01-genesis.txt"].startswith("Genesis\n\n1. In the beginning God created")
    assert texts["01-genesis.txt"].endswith("in a coffin in Egypt.\n")
    assert texts["02-exodus.txt"].startswith("Exodus\n\n1. Now these are the names of the children of Israel")
    assert texts["66-revelation.txt"].endswith("be with you all. Amen.\n")
    assert sum(map(len, texts.values())) > 4_100_000


def test_the_committed_tokenizer_is_what_its_script_makes() -> None:
    assert Tokenizer.from_file(str(PATH)).to_str() == train(list(books().values())).to_str()


def test_the_tokenizer_fits_the_example_s_model() -> None:
    loaded = Loaded.load(str(PATH), PIECES)
    (genesis,) = loaded.encode([books()["01-genesis.txt"]])
    assert loaded.decode(genesis.tolist()) == books()["01-genesis.txt"]
    assert 40_000 < len(genesis) < 70_000


def test_short_trainings_have_ten_short_books() -> None:
    assert len(small_objects()) == len(SHORT_BOOKS) + 1
    assert small_objects().items() <= example_objects().items(), "none of them is held out"


def test_what_is_uploaded_is_where_the_example_looks() -> None:
    import yaml

    from quickstart.options import EXAMPLE

    spec = yaml.safe_load(EXAMPLE.read_text())["spec"]
    names = {f"gs://lwm/{name}" for name in example_objects()}
    assert spec["tokenizer"]["uri"] in names
    counts = [sum(name.startswith(each["source"]["uri"] + "/") for name in names) for each in spec["datasets"]]
    assert counts == [60, 6], "each eleventh book is held out"
    assert [stage["validation"]["datasets"] for stage in spec["stages"]] == [["held-out"]] * 3
