"""The prototxt parser: everything the text format allows, held against protobuf's own reader,
and the place and wording of every error.
"""

import math
import time
from random import Random

import pytest
from google.protobuf import text_format

from netspec.schema.lexer import PrototxtError
from netspec.schema.messages import (
    ClipParameter,
    Datum,
    FillerParameter,
    LayerParameter,
    NetParameter,
    PoolingParameter,
    SolverParameter,
)
from netspec.schema.text import parse, parse_marked, read_text

ACCEPTED = {
    'empty': '', 'comment only': '# nothing\n', 'colon': 'name: "a"', 'no blanks': 'name:"a"',
    'block': 'layer { name: "a" }', 'block with colon': 'layer: { name: "a" }',
    'angle brackets': 'layer < name: "a" param < lr_mult: 1 > >', 'empty block': 'state { }',
    'separators': 'name: "a"; input: "b", layer { };layer { },',
    'list': 'input_dim: [1, 2, 3] input: ["a", "b"]', 'empty list': 'input_dim: []',
    'lists between single values': 'input_dim: 1 input_dim: [2, 3] input_dim: 4',
    'list of blocks': 'layer [ { name: "a" }, < name: "b" > ] layer: [ { } ]',
    'one value for a packed field': 'input_shape { dim: 1 dim: 2 }',
    'adjacent strings': 'name: "a" \'b\' # and\n "c"', 'single quotes': "name: 'it\"s'",
    'escapes': r'''name: "\101\x42\n\t\'\"\\é"''', 'utf-8': 'name: "café"',
    'hexadecimal': 'input_dim: 0x1F input_dim: -0xa', 'octal': 'input_dim: 017 input_dim: 0',
    'largest': 'input_dim: 2147483647 input_dim: -2147483648',
    'floats': 'layer { loss_weight: [1, 1., .5, 1.5e3, 2f, 2.5F, -1e-7, 0, 1e39] }',
    'long integer as float': 'layer { loss_weight: 123456789012345678901234567890 }',
    'not finite': 'layer { loss_weight: [inf, -inf, Infinity, INF] }',
    'booleans': 'layer { propagate_down: [true, false, t, f, True, False, 1, 0] }',
    'enum by name': 'state { phase: TRAIN }', 'enum by number': 'state { phase: 0 }',
    'tabs and returns': 'name\t:\r\n"a"\v\f',
}


@pytest.mark.parametrize('text', ACCEPTED.values(), ids=ACCEPTED.keys())
def test_reads_what_protobuf_reads(text):
    assert parse(text, NetParameter()) == text_format.Parse(text, NetParameter())


def test_nan_and_its_sign_are_read():
    values = parse('loss_weight: [nan, NaN, -nan]', LayerParameter()).loss_weight
    assert len(values) == 3 and all(map(math.isnan, values))


def test_a_minus_may_stand_apart():
    """As the C++ reader allows, and the Python one does not."""
    assert list(parse('input_dim: - 3', NetParameter()).input_dim) == [-3]


def test_bytes_need_not_be_text():
    assert parse(r'data: "\377\000a"', Datum()).data == b'\xff\x00a'


def test_values_end_where_they_belong():
    net = parse('layer { name: "c" convolution_param { pad: 3 pad: 4 kernel_size: [5, 6] '
                'weight_filler { type: "xavier" } bias_term: false } }', NetParameter())
    options = net.layer[0].convolution_param
    assert (net.layer[0].name, list(options.pad), list(options.kernel_size)) == (
        'c', [3, 4], [5, 6])
    assert options.weight_filler.type == 'xavier' and not options.bias_term
    assert not options.HasField('bias_filler') and options.HasField('bias_term')


REFUSED = [  # text, place, what the error must say
    ('layer {\n  kernal_size: 3\n}', '2:3', ["'kernal_size' in LayerParameter", "'kernel_size' "
                                             'inside convolution_param or pooling_param']),
    ('layer { convolution_param { kernal_size: 3 } }', '1:29',
     ['one of num_output, bias_term, pad, kernel_size', "did you mean 'kernel_size'?"]),
    ('layer { blobs_lr: 1 }', '1:9', ['param { lr_mult: ... }']),
    ('train_net: "x"', '1:1', ['SolverParameter has it: is this the file of a solver?']),
    ('layer {\n name: "a"\nlayer { }\n}', '3:1',
     ["NetParameter has it: is a '}' missing for layer (LayerParameter) opened at line 1, column"]),
    ('layer {\n  convolution_param {\n  }\n', '4:1',
     ["the file ends inside layer (LayerParameter) opened at line 1, column 1; expected '}'"]),
    ('name: "a"\n}', '2:1', ["'}' closes nothing"]),
    ('layer < name: "a" }', '1:19', ["or '>' for layer (LayerParameter) opened at line 1"]),
    ('layer { ] }', '1:9', ["']' in LayerParameter; expected a field name or '}'"]),
    ('"a"', '1:1', ['"a" in NetParameter; expected a field name']),
    ('layer { top: "x",, }', '1:18', ["',' in LayerParameter"]),
    ('name: "a"\nname: "b"', '2:1', ["'name' of NetParameter given twice, first in line 1"]),
    ('state { }\nstate { }', '2:1', ["'state' of NetParameter given twice, first in line 1"]),
    ('name "a"', '1:6', ["\"a\" after 'name'; expected ':' and a string in quotes"]),
    ('input_dim [1]', '1:11', ["'[' after 'input_dim'; expected ':'"]),
    ('name { }', '1:6', ["'name' is not a block; expected ':' and a string"]),
    ('layer: 3', '1:8', ["3 after 'layer'; expected a block { } of LayerParameter"]),
    ('layer', '1:6', ["the file ends after 'layer'; expected a block"]),
    ('name:', '1:6', ["the file ends after 'name'; expected a string in quotes"]),
    ('name: abc', '1:7', ["'name' is 'abc'; expected a string in quotes; did you mean \"abc\"?"]),
    ('name: -3', '1:7', ['did you mean "-3"?']),
    ('name: ["a"]', '1:7', ["'name' is not repeated", 'without brackets']),
    (r'name: "\q"', '1:7', [r"'name': \q is no escape; expected \n"]),
    (r'name: "\377"', '1:7', ["'name' is not UTF-8 text"]),
    ('input_dim: 1.5', '1:12', ["'input_dim' is 1.5; expected an integer"]),
    ('input_dim: "1"', '1:12', ["'input_dim' is \"1\"; expected an integer"]),
    ('input_dim: --1', '1:12', ["'input_dim' is '--'; expected an integer"]),
    ('input_dim: 2147483648', '1:12', ['2147483648; expected an integer from -2147483648 to']),
    ('layer { convolution_param { pad: -1 } }', '1:34',
     ["'pad' is -1; expected an integer from 0 to 4294967295"]),
    ('input_shape { dim: 9223372036854775808 }', '1:20', ['to 9223372036854775807']),
    ('input_dim: 09', '1:12', ['09 begins with 0 and is therefore octal', '9 for the decimal']),
    ('input_dim: [1, 2', '1:17', ["the file ends in the list of 'input_dim'; expected ',' or ']'"]),
    ('input_dim: [1 2]', '1:15', ["2 in the list of 'input_dim'"]),
    ('layer { loss_weight: abc }', '1:22', ["'loss_weight' is 'abc'; expected a decimal number"]),
    ('layer { loss_weight: 010 }', '1:22', ["'loss_weight' is 010; expected a decimal number"]),
    ('force_backward: yes', '1:17', ["'force_backward' is 'yes'; expected true or false"]),
    ('force_backward: 2', '1:17', ["'force_backward' is 2; expected true or false"]),
    ('force_backward: "true"', '1:17', ["did you mean 'true'?"]),
    ('state { phase: TRIAN }', '1:16',
     ["'phase' is 'TRIAN'; expected one of TRAIN, TEST; did you mean 'TRAIN'?"]),
    ('state { phase: 2 }', '1:16', ["'phase' is 2; expected one of TRAIN, TEST"]),
    ('layers { type: Convolution }', '1:16', ["did you mean 'CONVOLUTION'?"]),
    ('layer {\n clip_param { min: 1 } }', '2:2', ["ClipParameter lacks 'max'"]),
    ('name: "a\n"', '1:7', ['does not end on its line']),
    ('[ext]: 1', '1:1', ["'[' in NetParameter"]),
]


@pytest.mark.parametrize(('text', 'place', 'parts'), REFUSED, ids=[text for text, *_ in REFUSED])
def test_refuses_with_place_and_advice(text, place, parts):
    with pytest.raises(PrototxtError) as caught:
        parse(text, NetParameter(), 'dir/net.prototxt')
    message = str(caught.value)
    assert message.startswith(f'dir/net.prototxt:{place}: ')
    assert '\n' not in message
    for part in parts:
        assert part in message


def test_protobuf_refuses_the_same():
    # the C++ reader refuses these two as well, the Python one does not
    laxer = {r'name: "\q"', 'layer {\n clip_param { min: 1 } }'}
    for text in {text for text, *_ in REFUSED} - laxer:
        with pytest.raises(text_format.ParseError):
            text_format.Parse(text, NetParameter())


@pytest.mark.parametrize(('text', 'message', 'part'), [
    ('layer { }', SolverParameter, 'NetParameter has it: is this the file of a net?'),
    ('momentun: 0.9', SolverParameter, "did you mean 'momentum'?"),
    ('pool: max', PoolingParameter, "did you mean 'MAX'?"),
    ('typ: "x"', FillerParameter, "did you mean 'type'?"),
    ('min: 0', ClipParameter, "lacks 'max'")])
def test_refuses_in_other_messages(text, message, part):
    with pytest.raises(PrototxtError) as caught:
        parse(text, message())
    assert part in str(caught.value) and str(caught.value).startswith('<string>:1:')


PIECES = """{ } < > : , ; [ ] - "a" 'b' "\\n" " 1 0x1f 017 1.5 1e5 3f inf nan true t TEST # . @
name layer param lr_mult convolution_param pad top phase include""".split()
TEXT = '''layer { name : "a" top : [ "b" , 'c' ] param { lr_mult : 1 } include < phase : TEST > ;
convolution_param { pad : 1 pad : 2 bias_term : false } } input_dim : [ 1 , 2 ] state : { }'''


def outcome(reader, error, text):
    try:
        return repr(reader(text, NetParameter()))  # repr, since nan is no nan's equal
    except error:
        return 'refused'


def test_both_readers_agree_whatever_is_done_to_a_text():
    random = Random(1)
    refused = 0
    for _ in range(1500):
        words = TEXT.split()
        for _ in range(random.choice([1, 1, 2, 3])):
            at = random.randrange(len(words))
            words[at:at + random.randint(0, 1)] = random.choices(PIECES, k=random.randint(0, 1))
        text = ' '.join(words)
        theirs = outcome(text_format.Parse, text_format.ParseError, text)
        if ' - ' in text:  # see test_a_minus_may_stand_apart
            continue
        assert outcome(parse, PrototxtError, text) == theirs, text
        refused += theirs == 'refused'
    assert 300 < refused < 1400


def test_long_values_are_cut_in_errors():
    with pytest.raises(PrototxtError) as caught:
        parse(f'input_dim: "{"x" * 5000}"', NetParameter())
    assert len(str(caught.value)) < 200


def test_marks_the_lines_of_outermost_fields():
    text = '# c\nname: "n" layer {\n name: "a" }\n\ninput: "i"\nlayer { } layer\n{ }'
    marks = parse_marked(text, NetParameter(), 't', ('layer', 'input'))
    assert marks == [('layer', 2), ('input', 5), ('layer', 6), ('layer', 6)]


def test_a_net_of_1369_layers_is_read_within_a_second():
    layer = ('layer {\n  name: "conv"\n  type: "Convolution"\n  bottom: "a"\n  top: "b"\n'
             '  param {\n    lr_mult: 1\n    decay_mult: 1\n  }\n  convolution_param {\n'
             '    num_output: 64\n    pad: 1\n    kernel_size: 3\n    stride: 1\n  }\n}\n')
    start = time.process_time()
    net = parse(layer * 1369, NetParameter())
    assert time.process_time() - start < 1  # measured 0.1
    assert len(net.layer) == 1369


def test_reads_a_file_whatever_its_comments_are_encoded_in(tmp_path):
    path = tmp_path / 'net.prototxt'
    path.write_bytes(b'# caf\xe9\r\nname: "a"\r\n')
    assert parse(read_text(path), NetParameter()).name == 'a'


@pytest.mark.parametrize(('head', 'part'), [
    (b'\x0a\x04abcd\xa2\x06\x00', 'a binary file (a .caffemodel?)'),
    (b'\x89HDF\r\n\x1a\n', 'an HDF5 file'), (b'PK\x03\x04zip', 'a zip archive'),
    ('name: "a"'.encode('utf-16'), 'UTF-16: save it as UTF-8'),
    (b'<!DOCTYPE html>', 'a web page')])
def test_a_binary_file_is_named_as_what_it_is(tmp_path, head, part):
    path = tmp_path / 'net.prototxt'
    path.write_bytes(head)
    with pytest.raises(PrototxtError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f'{path}:1:1: this is ') and part in str(caught.value)


def test_a_missing_file_names_the_closest_one(tmp_path):
    (tmp_path / 'train.prototxt').write_text('')
    with pytest.raises(FileNotFoundError, match=r'no such prototxt; did you mean .*train\.proto'):
        read_text(tmp_path / 'trian.prototxt')
