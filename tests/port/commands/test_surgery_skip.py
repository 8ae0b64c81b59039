"""fcn surgery --skip: weights of another class count, with the layers named learnt afresh."""

from pathlib import Path

from click.testing import CliRunner

import surgery
from netspec.families.fcn import fcn
from port.cli import main
from surgery import shapes


def test_skipped_layers_are_learnt_afresh(tmp_path: Path) -> None:
    old = shapes.blank(fcn('voc-fcn32s', 'train', width=0.02))
    for blobs in old.values():
        for array in blobs:
            array[...] = 1
    surgery.write_weights(tmp_path / 'old.caffemodel', old)
    args = ['surgery', 'voc-fcn32s', '--from', str(tmp_path / 'old.caffemodel'), '--out',
            str(tmp_path / 'new.caffemodel'), '--classes', '30', '--width', '0.02']
    refused = CliRunner().invoke(main, args)
    assert refused.exit_code == 1 and "'score_fr' blob 0" in refused.output
    assert not (tmp_path / 'new.caffemodel').exists()
    done = CliRunner().invoke(main, [*args, '--skip', 'score_fr', '--skip', 'upscore'])
    assert done.exit_code == 0, done.output
    new = surgery.read_weights(tmp_path / 'new.caffemodel')
    assert (new['fc7'][0] == 1).all() and not new['score_fr'][0].any()
    assert new['score_fr'][0].shape[0] == 30 and new['upscore'][0].any()
