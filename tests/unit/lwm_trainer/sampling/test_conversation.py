"""Prompts of conversations are what a training on the same conversation would have up to the answer."""

import json
from pathlib import Path

import pytest

from lwm_trainer.config import Chat, Frames, Model, Vision
from lwm_trainer.data.encoding.chat import lwm_parts, parse_messages
from lwm_trainer.data.encoding.example import encode_parts, encode_rendered
from lwm_trainer.data.encoding.rendered_chat import ChatRenderer
from lwm_trainer.sampling.conversation import make_conversations
from lwm_trainer.sampling.prompt import join
from lwm_trainer.sampling.settings import SettingsError
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from support.byte_tokenizer import byte_tokenizer

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264)
TURNS = [
    {"role": "user", "content": "one </s>?"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three?"},
    {"role": "assistant", "content": "four"},
]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def vocabulary(uri: str = "t.json", *specials: str) -> Vocabulary:
    return make_vocabulary(MODEL, byte_tokenizer(*specials, uri=uri), Frames())


@pytest.mark.parametrize("system", [None, "Be brief.", ""])
def test_the_prompt_in_lwms_format_is_the_beginning_of_the_training_example(system: str | None) -> None:
    words = vocabulary()
    messages = [*([] if system is None else [{"role": "system", "content": system}]), *TURNS]
    (example,) = encode_parts([lwm_parts(parse_messages(messages, "messages"), words.tokenizer)], words.tokenizer)
    prompt = make_conversations(words, "lwm").prompt(messages[:-1])
    assert prompt.tokens.tolist() == example.tokens[: prompt.length].tolist()
    assert words.decode(example.tokens[prompt.length :].tolist()) == "four"


def test_the_prompt_of_the_tokenizers_template_is_the_beginning_of_the_training_example(tmp_path: Path) -> None:
    content = {"chat_template": TEMPLATE, "bos_token": "<s>", "eos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(content))
    words = vocabulary(str(tmp_path / "tokenizer.json"), "<|user|>", "<|assistant|>")
    renderer = ChatRenderer(words.tokenizer, Chat(template="tokenizer"))
    (example,) = encode_rendered([renderer.render({"messages": TURNS})], words.tokenizer)
    prompt = make_conversations(words, "tokenizer").prompt(TURNS[:-1])
    assert prompt.tokens.tolist() == example.tokens[: prompt.length].tolist()
    assert words.decode(example.tokens[prompt.length :].tolist()) == "four"


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "messages is empty"),
        ([{"role": "user"}], r"messages\[0\].content is not text"),
        ([{"role": "robot", "content": "x"}], r"messages\[0\].role is 'robot'"),
        (TURNS[1:3], r"messages\[0\].role is 'assistant', but it is the user's turn"),
        (TURNS[:2], "the last one is not the user's"),
        ([TURNS[0], {"role": "system", "content": "x"}], r"messages\[1\].role is system: only the first"),
    ],
)
def test_wrong_messages_are_named(messages: list[dict[str, str]], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_conversations(vocabulary(), "lwm").prompt(messages)


def test_vision_spans_stand_where_the_message_has_them_and_a_text_before_one_ends_its_line() -> None:
    model = MODEL.model_copy(update={"vision": Vision(vocab_size=16)})
    words = make_vocabulary(model, byte_tokenizer("<vision>", "</vision>"), Frames(tokens_per_frame=2, codebook_size=6))
    codes = [[0, 1], [2, 3]]
    prompt = make_conversations(words, "lwm").prompt([{"role": "user", "content": ["What?", codes, "And?"]}])
    texts = [words.encode(text) for text in ("You are a helpful assistant. USER: What?\n", " And? ASSISTANT:")]
    expected = join(words.begin(), texts[0], words.span(codes), texts[1])
    assert prompt.tokens.tolist() == expected.tokens.tolist()
    assert prompt.vision.tolist() == expected.vision.tolist()
    first = make_conversations(words, "lwm").prompt([{"role": "user", "content": [codes, "What?"]}])
    assert first.tokens.tolist()[: len("You are a helpful assistant. USER:") + 1] == [
        *words.begin().tokens,
        *words.encode("You are a helpful assistant. USER:").tokens,
    ]


def test_a_model_without_vision_has_no_place_for_pictures() -> None:
    with pytest.raises(SettingsError, match=r"messages\[0\]\.content has pictures"):
        make_conversations(vocabulary(), "lwm").prompt([{"role": "user", "content": ["What?", [[0, 1]]]}])
