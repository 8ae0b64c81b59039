"""DeepLab's nets, row by row: deeplab(variant, split) is what v1 and v2 trained, tested and run.

arXiv 1412.7062 and 1606.00915: a trunk at stride 8, classifiers with holes, scores that are
compared with labels shrunk by 8, or zoomed by 8 to the image. The authors' own files, from which
ours differ in the data and at the ends, are in families.deeplab_authors.
"""

from collections.abc import Mapping
from typing import Any

from netspec.blocks import WEIGHT_AND_BIAS, Style
from netspec.families.fcn import DataRoot, checked_filler, checked_width, data_dirs, fitted
from netspec.schema.messages import NetParameter
from netspec.spec import NetSpec, Top, unknown
from netspec.spec import layers as L
from netspec.spec import params as P
from netspec.trunks.resnet101 import resnet101
from netspec.trunks.vgg16_atrous import vgg16_atrous
from netspec.variants import Variant, find_variant
from netspec.variants.deeplab_rows import DeepLab
from netspec.variants.row import Split

STRIDE = 8
TOPS = ('data', 'label', 'data_dim')
# The paths past the trunk of the multi-scale VGG16, by the top where each begins: the stride of its
# first convolution in training; the deviation that its second starts with; whether the file writes
# that one's stride of 1; the factor by which its scores are zoomed in testing.
PATHS = {'data': (8, 0.001, True, 1), 'pool1': (4, 0.001, False, 2), 'pool2': (2, 0.001, False, 4),
         'pool3': (1, 0.001, True, 8), 'pool4': (1, 0.005, True, 8)}
UNFILLED = 'pool3_ms'  # the authors forgot this path's last filler: it starts at zero
PATH_CHANNELS = 128
# The three copies of the multi-scale ResNet-101: the suffix of a copy's names, and how the image is
# resized for it.
COPIES = {'': {}, '_res05': dict(shrink_factor=2), '_res075': dict(shrink_factor=4, zoom_factor=3)}
BACK = {'_res05': dict(zoom_factor=2), '_res075': dict(zoom_factor=4, shrink_factor=3)}
UNPADDED = dict(pad_beg=0, pad_end=0)
BY_10 = (10, 20)


def deeplab(variant: str | Variant, split: str, width: float | None = None,
            classes: int | None = None, data_root: DataRoot | None = None,
            filler: str | None = None, loss: bool = True, ignore_label: int | None = None,
            data_params: Mapping[str, Any] | None = None) -> NetParameter:
    """Return the NetParameter of a row for one of its splits, or for 'deploy'.

    The options are those of families.fcn.fcn; data_params are fields of image_data_param, and a
    data_root of one folder holds its lists in list/. Test and deploy end in `score`, of the size
    of the image. Raises ValueError, and KeyError for an unknown split.
    """
    row = fitted(find_deeplab(variant), classes, ignore_label)
    width = checked_width(row.width if width is None else width)
    chosen = None if split == 'deploy' else find_split(row, split)
    train = chosen is not None and chosen != row.splits[1]
    style = Style(width, checked_filler(filler, width), dropout=chosen is not None)
    n = NetSpec()
    if chosen is None:
        size = [row.crops[1]] * 2
        n['data'] = L.Input(name='input', shape=dict(dim=[1, row.inputs[0].channels, *size]))
    else:
        _data(n, row, chosen, train, data_root, data_params or {})
    scores = class_scores(n, row, style, train, any_size=chosen is None)
    if not train:
        _score(n, row, scores, chosen is not None and loss)
    elif loss:
        supervise(n, row, dict(), dict())
    net = n.to_proto()
    net.name = row.name
    return net


def find_deeplab(variant: str | Variant) -> DeepLab:
    """Return a row of DeepLab's; ValueError for another family's, KeyError for none."""
    row = find_variant(variant)
    if not isinstance(row, DeepLab):
        raise ValueError(f'{row.name} is no net of DeepLab\'s; see `fcn list`')
    return row


def find_split(row: DeepLab, split: str) -> Split:
    """Return the split of that file name (train) or list name (train_aug)."""
    known = (*row.splits, *row.more_splits)
    for candidate in known:
        if split in (candidate.file, candidate.name):
            return candidate
    raise unknown(f'{row.name} has no split', split, [s.file for s in known] + ['deploy'])


def _data(n: NetSpec, row: DeepLab, split: Split, train: bool, data_root: DataRoot | None,
          options: Mapping[str, Any]) -> None:
    """Add the data layer; its third top, the sizes of the images, is for a dense CRF alone.

    Training names it where the authors did; without a name the layer adds it.
    """
    dirs = data_dirs(row, split, data_root)
    if data_root is not None and not isinstance(data_root, Mapping):
        dirs['source'] += '/list'
    files = dict(root_folder=dirs['root_folder'], source=f'{dirs["source"]}/{split.name}.txt')
    names = TOPS if row.release.v2_data or not train else TOPS[:2]
    tops = image_seg_data(row, train, len(names),
                          files | dict(label_type=P.ImageData.PIXEL) | dict(options))
    for name, top in zip(names, tops, strict=True):
        n[name] = top
    if len(names) == len(TOPS):
        n['silence'] = L.Silence(n['data_dim'], ntop=0)


def image_seg_data(row: DeepLab, train: bool, ntop: int, options: dict[str, Any],
                   **more: Any) -> tuple[Top, ...]:
    """Return the tops of a data layer for training or testing."""
    transform = dict(mirror=train, crop_size=row.crops[not train], mean_value=list(row.mean))
    if train:
        options = options | dict(batch_size=row.batch, shuffle=True)
        if row.scale_factors:
            transform |= dict(scale_factors=list(row.scale_factors))
    else:
        options = options | dict(batch_size=1)
    return L.ImageSegData(ntop=ntop, transform_param=transform, image_data_param=options, **more)


def class_scores(n: NetSpec, row: DeepLab, style: Style, train: bool, any_size: bool = False,
                 learns: bool | None = None) -> Top:
    """Add trunk, classifiers and their fusion; return the scores, an eighth of the image's size.

    The multi-scale VGG16 is the exception: in testing its scores have the image's size, and
    any_size lets images have sizes other than a multiple of 8 plus 1. learns: whether VGG16 has
    what only training needs.
    """
    if row.trunk == 'resnet101':
        return _resnet_scores(n, row, style, train)
    return _vgg_scores(n, row, style, train, any_size, train if learns is None else learns)


def multipliers(weight: float, bias: float) -> dict[str, Any]:
    """Return the keywords of a layer that learns at so many times the rate; biases do not decay."""
    return dict(param=[dict(lr_mult=weight, decay_mult=1), dict(lr_mult=bias, decay_mult=0)])


def gaussian(std: float) -> dict[str, Any]:
    """Return the keywords of a layer that starts at random, its biases at zero."""
    return dict(weight_filler=dict(type='gaussian', std=std),
                bias_filler=dict(type='constant', value=0))


def _vgg_scores(n: NetSpec, row: DeepLab, style: Style, train: bool, any_size: bool,
                learns: bool) -> Top:
    """Add a VGG16 with its classifiers, and with the paths past it where the row has them."""
    param: dict[str, Any] = {}
    if learns:
        # The paths are learnt on top of a finished net, which stays as it is.
        fixed = row.multiscale and style.filler is None
        param = multipliers(0, 0) if fixed else dict(param=WEIGHT_AND_BIAS)

    def path(name: str, top: Top) -> None:
        if row.multiscale and name in PATHS:
            _path(n, row, name, top, style, train)
    path('data', n['data'])
    first_train = row.release.first and train  # it forgot to pad pool4 there
    top = vgg16_atrous(n, n['data'], style, param, row.pool_kernel, None if first_train else 1,
                       path)
    if row.average:
        top = n['pool5a'] = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=3, stride=1, pad=1)
    several = len(row.rates) > 1
    ends = [_classifier(n, row, top, f'_{i}' if several else '', rate, style, param, learns)
            for i, rate in enumerate(row.rates, 1)]
    if several:
        n[row.head] = L.Eltwise(*ends, operation=P.Eltwise.SUM)
    return _with_paths(n, row, train, any_size) if row.multiscale else n[row.head]


def _classifier(n: NetSpec, row: DeepLab, bottom: Top, suffix: str, rate: int, style: Style,
                param: dict[str, Any], learns: bool) -> Top:
    """Add fc6 with holes, fc7 and fc8, each name closed by `suffix`, and return the scores."""
    channels, top = style.channels(row.hidden), bottom
    shapes = {6: dict(pad=rate * (row.kernel - 1) // 2, kernel_size=row.kernel, dilation=rate),
              7: dict(kernel_size=1)}
    for i, shape in shapes.items():
        top = n[f'fc{i}{suffix}'] = L.Convolution(top, num_output=channels, **shape, **param,
                                                  **style.fill())
        top = n[f'relu{i}{suffix}'] = L.ReLU(top, in_place=True)
        top = style.drop(n, f'drop{i}{suffix}', top)
    own = row.head_multipliers if style.filler is None else BY_10
    learnt = multipliers(*own) | gaussian(0.01) if learns else {}
    top = n[row.head + suffix] = L.Convolution(top, num_output=row.classes, kernel_size=1, **learnt)
    return top


def _path(n: NetSpec, row: DeepLab, name: str, top: Top, style: Style, train: bool) -> None:
    """Add the way from the image, or a pool, to scores of its own."""
    stride, std, written, _ = PATHS[name]
    param = dict(param=WEIGHT_AND_BIAS) if train else {}
    channels = style.channels(PATH_CHANNELS)
    shapes = {'conv': dict(kernel_size=3, stride=stride if train else 1, pad=1),
              'fc': dict(kernel_size=1, **(dict(stride=1) if written else {}))}
    for part, shape in shapes.items():
        # pool4_fc, unlike the others, kept its fillers in the test file.
        filled = train or (name, part) == ('pool4', 'fc')
        fill = gaussian(std if part == 'fc' else 0.001) if filled else {}
        top = n[f'{name}_{part}'] = L.Convolution(top, num_output=channels, **shape, **param,
                                                  **fill)
        top = n[f'relu_{name}_{part}'] = L.ReLU(top, in_place=True)
        top = style.drop(n, f'drop_{name}_{part}', top)
    fill = gaussian(0.01) if train and f'{name}_ms' != UNFILLED else {}
    n[f'{name}_ms'] = L.Convolution(top, num_output=row.classes, kernel_size=1, **param, **fill)


def _with_paths(n: NetSpec, row: DeepLab, train: bool, any_size: bool) -> Top:
    """Add and return the sum of the paths' scores and the trunk's: in testing at image size."""
    tops = {name: n[f'{name}_ms'] for name in PATHS} | {'fc8': n[row.head]}
    if not train:
        for name, (_, _, _, zoom) in (PATHS | {'fc8': (0, 0, False, STRIDE)}).items():
            if zoom > 1:
                tops[name] = n[f'{name}_interp'] = L.Interp(tops[name], zoom_factor=zoom)
            if zoom > 1 and any_size:
                tops[name] = n[f'{name}_crop'] = L.Crop(tops[name], n['data'], axis=2, offset=0)
    n['fc_fusion'] = L.Eltwise(*tops.values(), operation=P.Eltwise.SUM)
    return n['fc_fusion']


def _resnet_scores(n: NetSpec, row: DeepLab, style: Style, train: bool) -> Top:
    """Add a ResNet-101, or three with shared parameters, their scores and the largest of them."""
    copies = list(COPIES) if row.multiscale else ['']
    for suffix in copies[1:]:
        n[f'data{suffix}'] = L.Interp(n['data'], **COPIES[suffix], **UNPADDED)
    ends = {suffix: resnet101(n, n[f'data{suffix}'], suffix, style) for suffix in copies}
    for suffix, end in ends.items():
        _atrous_pyramid(n, row, end, suffix, train)
    if not row.multiscale:
        return n[row.head]
    tops = {'': n[row.head]}
    for suffix, factors in BACK.items():
        tops[suffix] = n[f'{row.head}{suffix}_interp'] = L.Interp(n[row.head + suffix], **factors,
                                                                  **UNPADDED)
    n['fc_fusion'] = L.Eltwise(tops[''], tops['_res075'], tops['_res05'],
                               operation=P.Eltwise.MAX)
    return n['fc_fusion']


def _atrous_pyramid(n: NetSpec, row: DeepLab, bottom: Top, suffix: str, train: bool) -> None:
    """Add a copy's scores: one classifier with holes, or the sum of several."""
    several, ends = len(row.rates) > 1, []
    for i, rate in enumerate(row.rates):
        part = f'_c{i}' if several else ''
        names = [f'{row.head}{part}_w', f'{row.head}{part}_b']
        learnt = zip(names, multipliers(*row.head_multipliers)['param'], strict=True)
        params = [dict(name=name, **(more if train else {})) for name, more in learnt]
        holes = dict(dilation=rate) if rate > 1 else {}
        top = L.Convolution(bottom, num_output=row.classes, kernel_size=row.kernel,
                            pad=rate * (row.kernel - 1) // 2, **holes, param=params,
                            **(gaussian(0.01) if train else {}))
        n[f'{row.head}{suffix}{part}'] = top
        ends.append(top)
    if several:
        n[row.head + suffix] = L.Eltwise(*ends, operation=P.Eltwise.SUM)


def supervised(row: DeepLab) -> list[tuple[str, str, int]]:
    """Return for each loss the suffix of its name, its scores, and by how much labels shrink."""
    if not row.multiscale:
        return [('', row.head, 8)]
    if row.trunk != 'resnet101':
        return [('', 'fc_fusion', 8)]
    return [('', 'fc_fusion', 8), ('_res1', row.head, 8),
            ('_res075', f'{row.head}_res075_interp', 8), ('_res05', f'{row.head}_res05', 16)]


def supervise(n: NetSpec, row: DeepLab, of_loss: dict[str, Any],
              of_accuracy: dict[str, Any]) -> None:
    """Add the labels, shrunk as often as the scores are, and every loss and accuracy."""
    begin = -1 if row.crop_begin else 0  # pools of even kernels: their first window lies outside
    ignored = dict(ignore_label=row.ignore_label)
    for suffix, scores, factor in supervised(row):
        label = 'label_shrink' if factor == STRIDE else f'label_shrink{factor}'
        if label not in n.tops:
            n[label] = L.Interp(n['label'], shrink_factor=factor, pad_beg=begin, pad_end=0)
        n[f'loss{suffix}'] = L.SoftmaxWithLoss(
            n[scores], n[label], **(dict(loss_param=ignored) | of_loss))
        n[f'accuracy{suffix}'] = L.SegAccuracy(
            n[scores], n[label], **(dict(seg_accuracy_param=ignored) | of_accuracy))


def zoomed(n: NetSpec, row: DeepLab, scores: Top) -> Top:
    """Add and return the scores at the size of the image, or a little larger."""
    if row.multiscale and row.trunk != 'resnet101':
        return scores
    name = f'{row.head.split("_")[0]}_interp'
    n[name] = L.Interp(scores, zoom_factor=STRIDE)
    return n[name]


def _score(n: NetSpec, row: DeepLab, scores: Top, compare: bool) -> None:
    """Add `score`, exactly as large as the image, and what compares it with the labels."""
    top = zoomed(n, row, scores)
    n['score'] = L.Crop(top, n['data'], axis=2, offset=row.crop_begin)
    if compare:
        n['accuracy'] = L.SegAccuracy(n['score'], n['label'], ignore_label=row.ignore_label,
                                      reset=False)
