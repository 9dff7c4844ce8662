"""The field language: what a line means, and what is said of one that means nothing."""

import pytest

from lwm_trainer.data.encoding.field_language import Field, FieldLineError, parse


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("text", [Field(("text",))]),
        ("question,answer", [Field(("question",)), Field(("answer",))]),
        ("[title+body],answer", [Field(("title", "body"), in_loss=False), Field(("answer",))]),
        ("a,<|eos|>,[<|bos|>],b", [Field(("a",)), Field(("<|eos|>",)), Field(("<|bos|>",), in_loss=False), Field(("b",))]),
        ("my text,vision", [Field(("my text",)), Field(("vision",))]),
    ],
)
def test_a_line_s_fields(line: str, fields: list[Field]) -> None:
    assert list(parse(line)) == fields


def test_names_with_vision_are_visual_where_data_sets_are() -> None:
    assert [field.visual for field in parse("caption,[left_vision_2],<|eos|>", vision=True)] == [False, True, False]
    assert not parse("[left_vision_2]")[0].visual


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "field line '', column 1: a name is missing: write one or leave the separator out"),
        ("a,,b", "field line 'a,,b', column 3: a name is missing: write one or leave the separator out"),
        ("a,b,", "field line 'a,b,', column 5: a name is missing: write one or leave the separator out"),
        ("a,[b+]", "field line 'a,[b+]', column 6: a name is missing: write one or leave the separator out"),
        ("[]", "field line '[]', column 2: a name is missing: write one or leave the separator out"),
        ("a, b", "field line 'a, b', column 3: a space beside 'b': leave it out"),
        ("x,[a,b]", "field line 'x,[a,b]', column 3: ] is missing in '[a': bracket each field by itself, as in [a],[b]"),
        ("a,b]", "field line 'a,b]', column 3: [ is missing in 'b]': bracket each field by itself, as in [a],[b]"),
        ("[", "field line '[', column 1: ] is missing in '[': bracket each field by itself, as in [a],[b]"),
        ("a+[b]+c", "field line 'a+[b]+c', column 3: a bracket inside '[b]': brackets stand around a whole field, as in [a+b]"),
        (
            "a,b+<|eos|>",
            "field line 'a,b+<|eos|>', column 5: '<|eos|>' is not a field: only <|bos|> and <|eos|> may be, each by itself",
        ),
        (
            "a,<|pad|>",
            "field line 'a,<|pad|>', column 3: '<|pad|>' is not a field: only <|bos|> and <|eos|> may be, each by itself",
        ),
        ("a,[b+vision]", "field line 'a,[b+vision]', column 4: 'b+vision' joins vision codes with text: separate them by a comma"),
    ],
)
def test_a_line_that_means_nothing_is_refused_at_its_place(line: str, error: str) -> None:
    with pytest.raises(FieldLineError) as raised:
        parse(line, vision=True)
    assert str(raised.value) == error
