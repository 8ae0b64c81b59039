"""DeepLab's files as their authors published them: data, ends and solvers of their own.

The placeholders are filled, as the authors' script did before Caffe read a file: FILLED has what
they stand for. v1's files are in the syntax of its fork (families.deeplab_v1).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from netspec.blocks import Style
from netspec.families.deeplab import (
    TOPS,
    class_scores,
    find_deeplab,
    image_seg_data,
    supervise,
    zoomed,
)
from netspec.families.deeplab_v1 import to_v1
from netspec.families.fcn import checked_filler, checked_width, fitted
from netspec.schema import print_message
from netspec.schema.messages import TEST, TRAIN, NetParameter, SolverParameter
from netspec.solver_param import solver
from netspec.spec import NetSpec, Top, unknown
from netspec.spec import layers as L
from netspec.spec import params as P
from netspec.variants import Variant
from netspec.variants.deeplab_rows import EXP, DeepLab

# NET_ID, NUM_LABELS and FEATURE_DIR are filled from the row. The authors' script fills TRAIN_SET
# with train_aug for solver and with trainval_aug for solver2; here all files get the same.
FILLED = {'EXP': EXP, 'DATA_ROOT': '../data/VOC2012', 'TRAIN_SET': 'train_aug', 'TEST_SET': 'val'}
FIRST_ROOT = '/rmt/data/pascal/VOCdevkit/VOC2012'  # not yet a placeholder in the first release
TRAINING: dict[str, Any] = dict(include=dict(phase=TRAIN))
TESTING: dict[str, Any] = dict(include=dict(phase=TEST))
CRF = dict(max_iter=10, pos_w=3, pos_xy_std=3, bi_w=5, bi_xy_std=50, bi_rgb_std=10)
MEMORY = dict(batch_size=1, channels=3, height=505, width=505)


def authors_files(variant: str | Variant, width: float | None = None, classes: int | None = None,
                  filler: str | None = None,
                  defines: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the text of every file that the authors published of a row, by its name.

    `defines` fills placeholders otherwise than FILLED. Raises ValueError for a row that is none of
    DeepLab's, KeyError for an unknown placeholder.
    """
    row = fitted(find_deeplab(variant), classes)
    width = checked_width(row.width if width is None else width)
    values = _values(row, defines or {})
    row = replace(row, head=row.head.replace(EXP, values['EXP']))
    style = Style(width, checked_filler(filler, width))
    return {f'{file}.prototxt': print_message(_file(row, file, style, values))
            for file in row.release.files}


def _values(row: DeepLab, defines: Mapping[str, str]) -> dict[str, str]:
    """Return what each placeholder stands for."""
    net_id = defines.get('NET_ID', row.release.net_id)
    values = FILLED | {'NET_ID': net_id, 'NUM_LABELS': str(row.classes)}
    if row.release.first:
        values['DATA_ROOT'] = FIRST_ROOT
    values['FEATURE_DIR'] = f'{defines.get("EXP", EXP)}/features/{net_id}'
    for name in defines:
        if name not in values:
            raise unknown(f'{row.name} has no placeholder', name, values)
    return values | dict(defines)


def _file(row: DeepLab, file: str, style: Style,
          values: Mapping[str, str]) -> NetParameter | SolverParameter:
    if file.startswith('solver'):
        return _solver(row, file, values)
    net = NETS[file](row, style, values)
    net.name = 'DeepLab-LargeFOV' if file == 'deploy21' else values['NET_ID']
    return to_v1(net, file in row.release.loose) if row.release.v1 else net


def _solver(row: DeepLab, file: str, values: Mapping[str, str]) -> SolverParameter:
    """Return a solver: it tests nothing, the authors' script did that after training."""
    second = file == 'solver2'
    exp, net_id = values['EXP'], values['NET_ID']
    schedule = row.second if second and row.second else row.schedule
    return solver(
        replace(row, schedule=schedule), test_net=None, test_iter=None, test_interval=None,
        test_initialization=None, iter_size=None if schedule.iter_size == 1 else schedule.iter_size,
        train_net=f'{exp}/config/{net_id}/train_{values["TRAIN_SET"]}.prototxt',
        snapshot_prefix=f'{exp}/model/{net_id}/{"train2" if second else "train"}',
        solver_mode=SolverParameter.GPU)


def _data(row: DeepLab, train: bool, tops: tuple[str, ...], values: Mapping[str, str],
          **options: Any) -> NetSpec:
    """Begin a net with the data layer of a file for training or testing."""
    listed = values['TRAIN_SET' if train else 'TEST_SET']
    files = dict(root_folder=values['DATA_ROOT'], source=f'{values["EXP"]}/list/{listed}.txt')
    n = NetSpec()
    made = image_seg_data(row, train, len(tops), files | options,
                          **(TRAINING if train else TESTING))
    for name, top in zip(tops, made, strict=True):
        n[name] = top
    return n


def _train(row: DeepLab, style: Style, values: Mapping[str, str]) -> NetParameter:
    """Return the training net; its losses have tops without names."""
    first = row.release.first
    n = _data(row, True, TOPS if row.release.v2_data else TOPS[:2], values,
              label_type=P.ImageData.PIXEL)
    scores = class_scores(n, row, style, True)
    of_loss: dict[str, Any] = dict(TRAINING, ntop=0)
    supervise(n, row, of_loss | dict(loss_param={}) if first else of_loss,
              dict(seg_accuracy_param={}) if first else {})
    if row.release.v2_data:
        n['silence'] = L.Silence(n['data_dim'], ntop=0)
    if not first:
        return n.to_proto()
    _write(n, 'fc8_mat', scores, 'fc8', values)
    net = n.to_proto()
    testing = _data(row, False, TOPS[:2], values).to_proto().layer[0]
    net.layer.insert(1, testing)  # the first release tested in the same file
    return net


def _test_v1(row: DeepLab, style: Style, values: Mapping[str, str],
             crf: bool = False) -> NetParameter:
    """Return v1's testing net, which writes the scores, and with `crf` those after a dense CRF."""
    n = _data(row, False, TOPS if crf else TOPS[:2], values, has_label=False)
    scores = zoomed(n, row, class_scores(n, row, style, False))
    _write(n, 'fc8_mat', scores, 'fc8', values)
    if crf:
        n['crf_inf'] = _crf(n, scores, **TESTING)
        _write(n, 'crf_mat', n['crf_inf'], 'crf', values)
    n['silence'] = L.Silence(n['label'], ntop=0, **TESTING)
    return n.to_proto()


def _test_first(row: DeepLab, style: Style, values: Mapping[str, str]) -> NetParameter:
    """Return the first release's testing net, which kept what only training needs."""
    n = _data(row, False, TOPS[:2], values, has_label=False)
    scores = zoomed(n, row, class_scores(n, row, style, False, learns=True))
    begin = row.crop_begin
    top = n['fc8_crop'] = L.Padding(scores, pad_beg=-begin, pad_end=-begin - 1)
    n['loss'] = L.SoftmaxWithLoss(top, n['label'], ntop=0, **TRAINING)
    n['accuracy'] = L.SegAccuracy(top, n['label'], **TRAINING)
    _write(n, 'fc8_crop_mat', top, 'fc8', values)
    net = n.to_proto()
    del net.layer[0].top[1]  # only its two layers for training name the label
    return net


def _test_v2(row: DeepLab, style: Style, values: Mapping[str, str]) -> NetParameter:
    """Return v2's testing net: ResNet-101 and the multi-scale VGG16 score, the others write."""
    fused = row.multiscale and row.trunk == 'vgg16'
    writes = not fused and row.trunk == 'vgg16'
    kind = P.ImageData.NONE if writes else P.ImageData.PIXEL
    n = _data(row, False, TOPS, values, label_type=kind)
    scores = zoomed(n, row, class_scores(n, row, style, False))
    if writes:
        _write(n, 'fc8_mat', scores, 'fc8', values)
    else:
        n['accuracy' if fused else 'fc1_accuracy'] = L.SegAccuracy(
            scores, n['label'], name='accuracy', ignore_label=row.ignore_label, reset=False)
    if not fused:
        n['silence'] = L.Silence(n['label'], n['data_dim'], ntop=0)
    return n.to_proto()


def _test(row: DeepLab, style: Style, values: Mapping[str, str]) -> NetParameter:
    make = (_test_first if row.release.first else _test_v1 if row.release.v1 else _test_v2)
    return make(row, style, values)


def _test_crf(row: DeepLab, style: Style, values: Mapping[str, str]) -> NetParameter:
    """Return LargeFOV's testing net as martinkersner/train-DeepLab has it, with its dense CRF."""
    return _test_v1(row, style, values, crf=True)


def _deploy21(row: DeepLab, style: Style, values: Mapping[str, str]) -> NetParameter:
    """Return the same collection's net for a program, filled with another EXP."""
    row, n = replace(row, head='fc8_exper/voc12'), NetSpec()
    n['data'], n['label'], n['data_dim'] = L.MemoryData(ntop=3, **MEMORY)
    n['crf_inf'] = _crf(n, zoomed(n, row, class_scores(n, row, style, False)))
    return n.to_proto()


def _crf(n: NetSpec, scores: Top, **more: Any) -> Top:
    return L.DenseCRF(scores, n['data_dim'], n['data'], name='crf', dense_crf_param=CRF, **more)


def _write(n: NetSpec, name: str, scores: Top, kind: str, values: Mapping[str, str]) -> None:
    """Add the layer that writes scores into a file of Matlab's for each image."""
    n[name] = L.MatWrite(
        scores, ntop=0, strip=0, period=1, **TESTING,
        prefix=f'{values["FEATURE_DIR"]}/{values["TEST_SET"]}/{kind}/',
        source=f'{values["EXP"]}/list/{values["TEST_SET"]}_id.txt')


NETS: dict[str, Callable[[DeepLab, Style, Mapping[str, str]], NetParameter]] = {
    'train': _train, 'test': _test, 'test_crf': _test_crf, 'deploy21': _deploy21}
