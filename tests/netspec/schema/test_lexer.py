"""Tokens, places and escapes of the text format, against strings taken apart by hand."""

import pytest

from netspec.schema.lexer import PrototxtError, closest, place, tokens, unescape


def kinds(text):
    return [(token.kind, token.text) for token in tokens(text, 't')]


def test_tokens_of_every_kind():
    assert kinds('a_1: 0x1F{<-.5e-3f>}"x"\'y\'[1,2];') == [
        ('name', 'a_1'), ('symbol', ':'), ('int', '0x1F'), ('symbol', '{'), ('symbol', '<'),
        ('symbol', '-'), ('float', '.5e-3f'), ('symbol', '>'), ('symbol', '}'), ('string', '"x"'),
        ('string', "'y'"), ('symbol', '['), ('int', '1'), ('symbol', ','), ('int', '2'),
        ('symbol', ']'), ('symbol', ';'), ('end', '')]


def test_comments_and_blanks_of_every_sort_are_skipped():
    assert kinds('\ufeff# all\r\na#b\n\t\v\f: "#no" # end') == [
        ('name', 'a'), ('symbol', ':'), ('string', '"#no"'), ('end', '')]


@pytest.mark.parametrize('number', '1. .5 1.5 1e5 1E+5 1.e-5 2f 2.5F 1e2f'.split())
def test_floats(number):
    assert kinds(number) == [('float', number), ('end', '')]


@pytest.mark.parametrize('number', ['0', '7', '017', '0x1f', '0XAf'])
def test_ints(number):
    assert kinds(number) == [('int', number), ('end', '')]


@pytest.mark.parametrize('word', '12abc 1.2.3 1_000 0x1g 3fish 1e-3. 01.5 017f 00.5'.split())
def test_what_only_begins_as_a_number_is_shown_whole(word):
    with pytest.raises(PrototxtError, match=rf"^t:1:2: '{word}' is not a number"):
        tokens(f' {word} ', 't')


def test_an_unknown_character_has_its_place():
    with pytest.raises(PrototxtError) as caught:
        tokens('a: 1\n  @', 'net.prototxt')
    error = caught.value
    assert (error.source, error.line, error.column) == ('net.prototxt', 2, 3)
    assert str(error).startswith("net.prototxt:2:3: unexpected character '@'; expected ")


@pytest.mark.parametrize('text', ['a: "b', 'a: "b\n"', "a: 'b\"", 'a: "b\\"'])
def test_a_string_that_does_not_end(text):
    with pytest.raises(PrototxtError, match='^t:1:4: the string opened here .* does not end'):
        tokens(text, 't')


@pytest.mark.parametrize(('at', 'where'), [(0, (1, 1)), (1, (1, 2)), (3, (2, 1)), (5, (3, 1))])
def test_place_counts_lines_and_columns_from_one(at, where):
    assert place('ab\nc\nd', at) == where


@pytest.mark.parametrize(('token', 'value'), [
    ('"plain"', b'plain'), ("'say \"hi\"'", b'say "hi"'), (r'"\n\r\t\a\b\f\v"', b'\n\r\t\a\b\f\v'),
    (r'''"\\\"\'\?"''', b'\\"\'?'), (r'"\0\12\1234"', b'\x00\n\x53\x34'), (r'"\xe9\Xa\x41b"',
     b'\xe9\nAb'), ('"\\u00e9\\U0001F600"', 'é😀'.encode()), ('"é"', 'é'.encode()), ('""', b'')])
def test_unescape(token, value):
    assert unescape(token) == value


@pytest.mark.parametrize('token', [
    r'"\q"', r'"\400"', r'"\x"', r'"\u12"', r'"\U00110000"', r'"\ud800"'])
def test_a_wrong_escape_says_what_would_be_right(token):
    with pytest.raises(ValueError, match='no escape; expected'):
        unescape(token)


@pytest.mark.parametrize(('name', 'known', 'guess'), [
    ('kernal_size', ['pad', 'kernel_size'], 'kernel_size'), ('max', ['MAX', 'AVE'], 'MAX'),
    ('zebra', ['pad', 'kernel_size'], ''), ('a', [], '')])
def test_closest(name, known, guess):
    assert closest(name, known) == guess
