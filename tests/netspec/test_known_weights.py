"""Weights known by digest: those that come along agree with their cards; downloads are checked."""

import hashlib
import shutil
from pathlib import Path

import pytest

from netspec import known_weights
from netspec.known_weights import (
    KNOWN,
    KnownFile,
    checked,
    kept_file,
    kept_weights,
    known_donor,
    released,
)
from netspec.variants import VARIANTS

KEPT = list(kept_weights())


@pytest.mark.parametrize('kept', KEPT, ids=lambda kept: kept.name)
def test_what_comes_along_is_what_its_card_says(kept) -> None:
    assert kept.name in VARIANTS and kept.path == kept_file(kept.name)
    assert hashlib.sha256(kept.path.read_bytes()).hexdigest() == kept.sha256
    assert kept.figures and all('on ' in where for where, _ in kept.figures)
    assert checked(kept.path) == (True, f'{kept.name}, trained here')


def test_four_nets_come_along() -> None:
    assert {'camvid-fcn-basic', 'camvid-segnet-basic'} < {kept.name for kept in KEPT}
    assert kept_file('voc-fcn8s') is None


def test_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'some.caffemodel'
    file.write_bytes(b'weights')
    sha1, sha256 = (hashlib.new(kind, b'weights').hexdigest() for kind in ('sha1', 'sha256'))
    assert checked(file) == (None, f'not known here: SHA-1 {sha1}, SHA-256 {sha256}')
    known = KnownFile('some.caffemodel', sha1, 'a net', 'a page')
    monkeypatch.setattr(known_weights, 'KNOWN', (known,))
    assert checked(file) == (True, 'some.caffemodel: a net')
    file.write_bytes(b'weight')                                          # cut off
    right, what = checked(file)
    assert right is False and what.endswith(f'that of a net is {sha1}')


def test_a_file_of_torchvision_bears_its_digest(tmp_path: Path) -> None:
    begins = hashlib.sha256(b'weights').hexdigest()[:8]
    for digest, right in ((begins, True), ('00000000', False)):
        path = tmp_path / f'vgg16-{digest}.pth'
        path.write_bytes(b'weights')
        assert checked(path)[0] is right


def test_kept_weights_that_were_changed(tmp_path: Path) -> None:
    name = KEPT[0].path.name
    shutil.copy(KEPT[0].path, tmp_path / name)
    assert checked(tmp_path / name)[0] is True
    with (tmp_path / name).open('ab') as file:
        file.write(b'\0')
    assert checked(tmp_path / name)[0] is False


def test_digests_are_whole() -> None:
    assert all(len(one.sha1) == 40 and int(one.sha1, 16) for one in KNOWN if one.sha1)
    assert {one.net for one in KNOWN} - {''} <= set(VARIANTS)


def test_what_nets_start_from_and_what_was_released() -> None:
    assert known_donor('VGG16').url.endswith('/caffe/VGG_ILSVRC_16_layers.caffemodel')
    found = released('siftflow-fcn8s')
    assert found and found.url == (
        'http://dl.caffe.berkeleyvision.org/siftflow-fcn8s-heavy.caffemodel')
    assert released('camvid-fcn-basic') is None
    assert len({one.file for one in KNOWN}) == len(KNOWN)
