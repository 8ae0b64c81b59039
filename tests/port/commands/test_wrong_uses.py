"""Wrong uses of infer's, score's, export's and serve's options: one line that names the option or
the file and says what was expected, and nothing written.
"""

from pathlib import Path

import pytest

from netspec.variants import VARIANTS
from port.commands._frame import sizes_of

NET = ('voc-fcn32s', '--width', '0.03125')
INFER, SCORE, EXPORT, SERVE = ((verb, *NET) for verb in ('infer', 'score', 'export', 'serve'))

USAGE = {
    'what to save': ((*INFER, 'a.png', '--save', 'labels,scores'),
                     "'--save': 'scores': expected labels, overlay, probabilities"),
    'a scale of nothing': ((*INFER, 'a.png', '--scales', '0,1'),
                           "'--scales': '0,1': expected factors of 0.1 to 4 with commas"),
    'a scale that is no number': ((*SCORE, '--scales', '1;2'), "'1;2': expected factors of"),
    'scales without end': ((*SCORE, '--scales', '1,inf'), "'1,inf': expected factors of"),
    'views in tiles': ((*INFER, 'a.png', '--weights', 'W', '--flip', '--tile', '40x40', '--out',
                        'o'),
                       '--scales and --flip look at the whole picture, --tile and --memory at'),
    'probabilities in tiles': ((*INFER, 'a.png', '--weights', 'W', '--tile', '40x40', '--save',
                                'probabilities'), '--tile and --memory write labels and overlays'),
    'an opset of no number': ((*EXPORT, '--opset', 'new'), "'--opset': 'new' is not a valid"),
    'two outputs of export': (('export', '--all', '--random-weights'),
                              '--all takes no --random-weights'),
    'a picture of no pixels': ((*SERVE, '--max-pixels', '0'), "'--max-pixels': 0 is not in the"),
    'no time': ((*SERVE, '--max-seconds', '0'), "'--max-seconds': 0"),
    'a port beyond all': ((*SERVE, '--port', '70000'), "'--port': 70000 is not in the range"),
    'an ablation of one seed with seeds': (('ablate', 'camvid', '--seeds', '2', '--scale', '1'),
                                           '--seeds, --scale: for an ablation with --trunk'),
    'an ablation of seeds with one': (
        ('ablate', 'camvid', '--trunk', 'squeezenet', '--weights', 'W', '--width', '1', '--seed',
         '2'), 'it takes no --width, --seed'),
    'an ablation at one rate': (
        ('ablate', 'camvid', '--trunk', 'squeezenet', '--weights', 'W', '--set', 'base_lr=1e-9'),
        'give those to try by --rate'),
    'a CRF of no model': ((*SERVE, '--crf', 'deeplab-largefob'),
                          "did you mean 'deeplab-largefov'?"),
    'a net without weights': (SERVE, 'give --weights: voc-fcn32s is no folder in which a net was'),
    'a prototxt without a mean': (('serve', 'DEPLOY', '--weights', 'W'), 'give --mean B,G,R')}


@pytest.mark.parametrize('case', USAGE)
def test_usage(case: str, scenes, trained: Path, lively: Path, tmp_path: Path, refused,
               monkeypatch) -> None:
    words, line = USAGE[case]
    folder = tmp_path / 'here'
    folder.mkdir()
    (folder / 'a.png').write_bytes(scenes.image('val_000000').read_bytes())
    monkeypatch.chdir(folder)
    there = {'W': lively, 'DEPLOY': trained / 'deploy.prototxt'}
    assert line in refused(*(there.get(word, word) for word in words), status=2)


FAILURES = {
    'an address of no machine': ((*SERVE, '--weights', 'W', '--host', '192.0.2.1'),
                                 'cannot listen on 192.0.2.1, port 8000: '),
    'an opset too old': ((*EXPORT, '--random-weights', '--out', 'm.onnx', '--opset', '9'),
                         'opset 9: expected 15 to '),
    'frames in no folder': (('score', 'VAL', '--weights', 'W', '--frames', 'none/f.csv'),
                            'none/f.csv: the folder none does not exist; make it first'),
    'frames over weights': (('score', 'VAL', '--weights', 'W', '--frames', 'W'),
                            'name another --frames'),
    'a folder for a file': ((*EXPORT, '--random-weights', '--out', 'none/m.onnx'),
                            "m.onnx: the folder none does not exist; make it first"),
    'labels over a file of others': ((*INFER, 'b.png', '--weights', 'W', '--out', 'out', '--save',
                                      'probabilities'), 'out/b_probabilities.npz, which is there '
                                     'and was not made by fcn infer')}


@pytest.mark.parametrize('case', FAILURES)
def test_failures(case: str, scenes, trained: Path, lively: Path, tmp_path: Path, refused,
                  monkeypatch) -> None:
    words, line = FAILURES[case]
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'b_probabilities.npz').write_text('of others')
    (tmp_path / 'b.png').write_bytes(scenes.image('val_000000').read_bytes())
    monkeypatch.chdir(tmp_path)
    there = {'W': lively, 'VAL': trained / 'val.prototxt'}
    assert line in refused(*(there.get(word, word) for word in words))


def test_sizes_that_a_net_takes_are_used_where_none_is_given() -> None:
    usual = [(67, 101), (90, 47)]
    assert sizes_of(None, usual) == sizes_of(VARIANTS['voc-fcn8s'], usual) == usual
    assert sizes_of(VARIANTS['camvid-segnet'], usual) == [(360, 480)]
    for name in ('deeplab-resnet101', 'deeplab-resnet101-plain'):
        grid = VARIANTS[name].grid
        found = sizes_of(VARIANTS[name], usual)
        assert grid > 1 and all(side % grid == 1 and side > 1 for size in found for side in size)
