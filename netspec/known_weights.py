"""Weights that are known by name: those trained here, which come along, and the classifiers and
nets of others that the published nets start from or are compared with, by their files' digests.

SHA-1 digests: BVLC's model zoo (models/*/readme.md) for its nets; OpenCV's list of test models
(opencv_extra, testdata/dnn/download_models.py) for the others; addresses: the published FCN
repository's caffemodel-url files. torchvision's files bear the
beginning of their SHA-256 in their names.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent.parent / 'weights'    # in the tree and in a wheel alike
FIGURES = re.compile(r'^\| these weights, (.+?) \| (.+) \|$', re.MULTILINE)
CARD_DIGEST = re.compile(r'SHA-256 `([0-9a-f]{64})`')
NAMED_DIGEST = re.compile(r'-([0-9a-f]{8})\.pth$')               # torchvision's, of the file's name


@dataclass(frozen=True)
class KnownFile:
    """A file of others. sha1: '' where none is published. what: the net; base: where the file lies;
    donor: what the rows that start from it call it; net: the row whose released weights it holds.
    """

    file: str
    sha1: str
    what: str
    page: str
    base: str = ''
    donor: str = ''
    net: str = ''

    @property
    def url(self) -> str:
        """The address of the file itself; '' where only a page is known."""
        return f'{self.base}/{self.file}' if self.base else ''


ZOO, FCN = 'BVLC/caffe, models/', 'shelhamer/fcn.berkeleyvision.org'
HAN = 'songhan/SqueezeNet-Deep-Compression'
BERKELEY, OXFORD = 'http://dl.caffe.berkeleyvision.org', 'http://www.robots.ox.ac.uk/~vgg'
KNOWN = (
    KnownFile('VGG_ILSVRC_16_layers.caffemodel', '9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24',
              'VGG16 (Simonyan, Zisserman 2014)', f'{OXFORD}/research/very_deep',
              f'{OXFORD}/software/very_deep/caffe', 'VGG16'),
    KnownFile('bvlc_reference_caffenet.caffemodel', '4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46',
              'CaffeNet', f'{ZOO}bvlc_reference_caffenet', BERKELEY, 'CaffeNet'),
    KnownFile('bvlc_alexnet.caffemodel', '9116a64c0fbe4459d18f4bb6b56d647b63920377', 'AlexNet',
              f'{ZOO}bvlc_alexnet', BERKELEY),
    KnownFile('bvlc_googlenet.caffemodel', '405fc5acd08a3bb12de8ee5e23a96bec22f08204',
              'GoogLeNet', f'{ZOO}bvlc_googlenet', BERKELEY, 'GoogLeNet'),
    KnownFile('compressed_SqueezeNet.net', 'd366493d585f65f4badc23b1ae943e9275db1cf4',
              'SqueezeNet 1.0 by Deep Compression', f'https://github.com/{HAN}',
              f'https://github.com/{HAN}/raw/master', 'SqueezeNet'),
    KnownFile('squeezenet_v1.1.caffemodel', '3397f026368a45ae236403ccc81cfcbe8ebe1bd0',
              'SqueezeNet 1.1', 'DeepScale/SqueezeNet, SqueezeNet_v1.1'),
    *(KnownFile(f'{file}.caffemodel', sha1, f'{net} as its authors trained it', FCN, BERKELEY,
                net=net)
      for net, file, sha1 in (
          ('voc-fcn32s', 'fcn32s-heavy-pascal', '05eb922d7829c39448f57e5ab9d8cd75d6c0be6d'),
          ('voc-fcn16s', 'fcn16s-heavy-pascal', ''),
          ('voc-fcn8s', 'fcn8s-heavy-pascal', 'c449ea74dd7d83751d1357d6a8c323fcf4038962'),
          ('voc-fcn8s-atonce', 'fcn8s-atonce-pascal', ''),
          ('voc-fcn-alexnet', 'fcn-alexnet-pascal', ''),
          *((net, f'{net}-heavy', '') for net in (
              'nyud-fcn32s-color', 'nyud-fcn32s-hha', 'nyud-fcn32s-color-hha',
              'pascalcontext-fcn32s', 'pascalcontext-fcn16s', 'pascalcontext-fcn8s',
              'siftflow-fcn32s', 'siftflow-fcn16s', 'siftflow-fcn8s')))),
)


@dataclass(frozen=True)
class KeptWeights:
    """Weights that come along: of the published net of that name. card: what its README.md says."""

    name: str
    path: Path
    card: str

    @property
    def sha256(self) -> str:
        """The digest that the card gives; '' where it gives none."""
        found = CARD_DIGEST.search(self.card)
        return found[1] if found else ''

    @property
    def figures(self) -> list[tuple[str, str]]:
        """What the card says of these weights: (on which list, which figures)."""
        return FIGURES.findall(self.card)


def kept_weights() -> Iterator[KeptWeights]:
    """Yield the weights that come along, by name."""
    for path in sorted(WEIGHTS.glob('*/*.caffemodel')):
        card = path.with_name('README.md')
        text = card.read_text(encoding='utf-8') if card.is_file() else ''
        yield KeptWeights(path.parent.name, path, text)


def kept_file(name: str) -> Path | None:
    """Return the weights of a published net that come along, of full width; None for most nets."""
    path = WEIGHTS / name / f'{name}.caffemodel'
    return path if path.is_file() else None


def known_donor(donor: str) -> KnownFile | None:
    """Return the file that holds what rows start from; None where none is known."""
    return next((one for one in KNOWN if one.donor == donor), None)


def released(net: str) -> KnownFile | None:
    """Return the file of the weights that a net's authors released; None where none is known."""
    return next((one for one in KNOWN if one.net == net), None)


def checked(path: Path) -> tuple[bool | None, str]:
    """Return whether a file is what its name or content says, and what it is.

    True: its digest is a known one. False: a file of that name has another digest: it is damaged,
    cut off or something else. None: neither its name nor its digest is known here.
    Raises OSError where the file cannot be read.
    """
    with path.open('rb') as file:
        sha256 = hashlib.file_digest(file, 'sha256').hexdigest()
        file.seek(0)
        sha1 = hashlib.file_digest(file, 'sha1').hexdigest()
    for one in KNOWN:
        if one.sha1 and one.sha1 == sha1:
            return True, f'{one.file}: {one.what}'
    for kept in kept_weights():
        if kept.sha256 == sha256:
            return True, f'{kept.name}, trained here'
    return _by_name(path, sha1, sha256)


def _by_name(path: Path, sha1: str, sha256: str) -> tuple[bool | None, str]:
    """Return what `checked` does for a file whose digest is not known."""
    named = NAMED_DIGEST.search(path.name)
    if named and sha256.startswith(named[1]):
        return True, 'the file that its name says (the beginning of its SHA-256)'
    if named:
        return False, f'its name says that its SHA-256 begins with {named[1]}; it is {sha256}'
    for one in KNOWN:
        if one.sha1 and one.file == path.name:
            return False, f'its SHA-1 is {sha1}; that of {one.what} is {one.sha1}'
    for kept in kept_weights():
        if kept.path.name == path.name:
            return False, f'its SHA-256 is {sha256}; that of {kept.name} is {kept.sha256}'
    return None, f'not known here: SHA-1 {sha1}, SHA-256 {sha256}'
