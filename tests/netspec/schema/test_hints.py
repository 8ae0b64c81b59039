"""The wording of errors where the parser's own tests do not reach it."""

from google.protobuf.descriptor import FieldDescriptor

from netspec.schema import hints
from netspec.schema.lexer import Token
from netspec.schema.messages import (
    DESCRIPTOR,
    ClipParameter,
    LayerParameter,
    NetParameter,
)

LAYER = LayerParameter.DESCRIPTOR


def test_a_short_list_is_given_whole_and_a_long_one_by_likeness():
    assert hints.one_of(['b', 'a']) == 'one of b, a'
    listed = hints.one_of([f'name_{i}' for i in range(40)], 'name_7')
    assert listed.startswith('one of name_7, ') and listed.endswith('... (40 in all)')


def test_tokens_are_shown_as_they_stand():
    assert hints.shown(Token('name', 'abc', 0)) == "'abc'"
    assert hints.shown(Token('string', '"abc"', 0)) == '"abc"'
    assert hints.shown(Token('int', '12', 0)) == '12'
    assert hints.shown(Token('end', '', 0)) == 'the file ends'
    assert hints.shown(Token('string', '"' + 'x' * 100, 0)) == '"' + 'x' * 59 + '...'


def test_every_scalar_field_of_the_schema_can_be_described():
    for descriptor in DESCRIPTOR.message_types_by_name.values():
        for field in descriptor.fields:
            if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
                assert hints.wanted(field)


def test_a_name_of_an_enclosing_block_is_put_before_likeness():
    text = hints.unknown_field('layer', LAYER, [NetParameter.DESCRIPTOR], 'layer opened at line 4')
    assert text.endswith("NetParameter has it: is a '}' missing for layer opened at line 4?")


def test_a_name_like_nothing_gets_the_list_alone():
    text = hints.unknown_field('zzzzqqq', ClipParameter.DESCRIPTOR, [], '')
    assert text == "unknown field 'zzzzqqq' in ClipParameter; expected one of min, max"


def test_required_fields_within_are_named():
    assert "'clip_param.min'" in hints.required(LayerParameter(clip_param=ClipParameter(max=1)))
