"""Options of earlier versions: one line names the new one, and nothing is done."""

import pytest

OLD = {
    ('score', '--model', 'val.prototxt'): 'NET itself',
    ('score', 'net', '--iterations', '5'): '--limit',
    ('score', 'net', '--images', '5'): '--limit',
    ('test', '--model', 'val.prototxt'): 'NET itself',
    ('infer', 'voc-fcn8s', 'a.png', '--model', 'deploy.prototxt'): 'NET itself',
    ('infer', 'voc-fcn8s', 'a.png', '--layer', 'score'): '--output',
    ('infer', 'voc-fcn8s', 'a.png', '--no-skip'): '--exact',
    ('infer', 'voc-fcn8s', 'a.png', '--no-fast'): '--exact',
    ('train', '--no-fast'): '--exact',
    ('score', 'net', '--no-fast'): '--exact',
    ('reproduce', 'voc-fcn8s', '--no-fast'): '--exact',
    ('ablate', 'camvid', '--no-fast'): '--exact',
    ('export', 'voc-fcn8s', '--model', 'deploy.prototxt'): 'NET itself',
    ('export', 'voc-fcn8s', '--sizes', '30x40'): '--size',
    ('surgery', 'voc-fcn8s', '--model', 'train.prototxt'): '--recipe NAME',
    ('time', 'voc-fcn8s', '--runs', '3'): '--iterations',
    ('compare', 'a', 'b', '--net', 'voc-fcn8s'): '--mean',
    ('generate', 'voc-fcn8s', '--data-root', 'data'): '--data',
    ('generate', '--all', '--root', 'x'): '--out',
    ('new', 'cars', '--classes', 'names.txt'): '--class-names',
    ('data', 'check', 'camvid', '--root', 'data'): '--data',
    ('data', 'colours', 'voc', 'in', 'out', '--strip', '_L'): '--label-suffix',
    ('reproduce', 'voc-fcn8s', '--images', '3'): '--limit',
    ('reproduce', 'voc-fcn8s', '--iterations-per-block', '3'): '--block',
    ('ablate', 'camvid', '--images', '3'): '--limit',
    ('bound', 'voc-fcn32s', '--images', '3'): '--limit',
    ('crf', 'search', '--model', 'val.prototxt'): 'NET itself',
    ('crf', 'search', 'net', '--images', '3'): '--limit'}


@pytest.mark.parametrize('args', OLD, ids=' '.join)
def test_one_line_names_the_new_option(args: tuple[str, ...], fcn) -> None:
    old = next(word for word in args if word.startswith('--') and word != '--all')
    result = fcn(*args)
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f'fcn: {old} is now ') and OLD[args] in line


def test_no_help_text_shows_them(fcn) -> None:
    for args in OLD:
        verb = args[:2] if args[0] in ('data', 'crf') else args[:1]
        words = fcn(*verb, '--help').stdout.split()
        assert next(w for w in args if w.startswith('--') and w != '--all') not in words
