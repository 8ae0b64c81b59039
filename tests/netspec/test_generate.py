"""The files of a row: the committed ones have not drifted, and writing is all or nothing."""

from pathlib import Path

import pytest

from netspec import generate
from netspec.families.fcn import fcn
from netspec.generate import check, check_all, published_dirs, write_all, write_variant
from netspec.schema import read_net, read_solver
from netspec.solver_param import solver
from netspec.variants import VARIANTS
from netspec.variants.deeplab_rows import DEEPLAB_ROWS

ROOT = Path(__file__).parents[2]


def test_committed_files_are_what_the_rows_write():
    assert check_all(ROOT) == []


def test_every_row_has_its_nets_and_solvers_and_no_other_file(tmp_path):
    assert len(write_all(tmp_path)) == len(list(tmp_path.rglob('*.prototxt'))) == (
        4 * len(VARIANTS) + 2 * len(DEEPLAB_ROWS))   # train2 and solver2
    stray = tmp_path / 'prototxt/voc-fcn8s/trainval.prototxt'
    stray.write_text('')
    assert check_all(tmp_path) == [stray]


def test_a_fitted_row_in_one_folder(tmp_path):
    options = dict(width=0.25, classes=5, data_root='/d')
    paths = write_variant('voc-fcn16s', tmp_path / 'a/b', solver_options=dict(max_iter=9),
                          **options)
    assert [path.relative_to(tmp_path / 'a/b').name for path in paths] == [
        'train.prototxt', 'val.prototxt', 'deploy.prototxt', 'solver.prototxt']
    assert read_net(paths[0]) == fcn('voc-fcn16s', 'train', **options)
    assert read_net(paths[2]) == fcn('voc-fcn16s', 'deploy', **options)
    assert read_solver(paths[3]).train_net == 'train.prototxt'
    assert read_solver(paths[3]) == solver('voc-fcn16s', max_iter=9)
    assert check('voc-fcn16s', tmp_path / 'a/b', solver_options=dict(max_iter=9), **options) == []


def test_drift_is_named(tmp_path):
    net_dir, solver_dir = published_dirs('siftflow-fcn8s', tmp_path)
    write_variant('siftflow-fcn8s', net_dir, solver_dir)
    (net_dir / 'test.prototxt').unlink()
    solver_file = solver_dir / 'solver.prototxt'
    solver_file.write_text(solver_file.read_text().replace('0.99', '0.9'))
    assert check('siftflow-fcn8s', net_dir, solver_dir) == [net_dir / 'test.prototxt', solver_file]


def test_nothing_is_written_on_an_error(tmp_path):
    with pytest.raises(ValueError):
        write_variant('voc-fcn8s', tmp_path / 'new', classes=-1)
    assert list(tmp_path.iterdir()) == []


def test_data_roots_of_all_datasets_or_of_one(tmp_path: Path) -> None:
    """A part within another lies so below the dataset's own folder too, there or not."""
    for folder in ('sbdd/dataset', 'pascal/VOC2011', 'VOC2012/list'):
        (tmp_path / folder).mkdir(parents=True)
    at = str(tmp_path.resolve())
    assert generate.data_roots('voc-fcn8s', tmp_path) == {
        'sbdd_dir': f'{at}/sbdd/dataset', 'voc_dir': f'{at}/pascal/VOC2011'}
    expected = {'root_folder': f'{at}/VOC2012', 'source': f'{at}/VOC2012/list'}
    assert generate.data_roots('deeplab-largefov', tmp_path) == expected
    assert generate.data_roots('deeplab-largefov', tmp_path / 'VOC2012') == expected
    assert generate.data_roots('deeplab-largefov', tmp_path / 'not-yet') == {
        'root_folder': f'{at}/not-yet', 'source': f'{at}/not-yet/list'}
    assert generate.data_root('voc-fcn8s', tmp_path / 'pascal/VOC2011') == (
        f'{at}/pascal/VOC2011')                 # both splits in VOC's layout
