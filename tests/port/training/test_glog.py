"""Log lines in glog's form, held back, replayed, and silent on a full disk."""

import io
import logging
import os
import re

import pytest

from port.training import glog

LOG = logging.getLogger('port.solver')


def test_a_line_is_glogs(tmp_path) -> None:
    with glog.handling(glog.to_file(tmp_path / 'new' / 'train.log')):
        LOG.info('Iteration %d, lr = %g', 20, 1e-10)
        LOG.warning('odd')
        LOG.debug('not shown')
    LOG.info('after the end')
    first, second = (tmp_path / 'new' / 'train.log').read_text().splitlines()
    form = r'{}\d{{4}} \d\d:\d\d:\d\d\.\d{{6}} +{} solver\.cpp:\d+\] {}'
    assert re.fullmatch(form.format('I', os.getpid(), 'Iteration 20, lr = 1e-10'), first)
    assert re.fullmatch(form.format('W', os.getpid(), 'odd'), second)


def test_a_file_is_appended_to(tmp_path) -> None:
    for text in ('one', 'two'):
        with glog.handling(glog.to_file(tmp_path / 'a.log')):
            LOG.info(text)
    assert [line[-3:] for line in (tmp_path / 'a.log').read_text().splitlines()] == ['one', 'two']


def test_streams(capsys) -> None:
    with glog.handling(glog.to_stdout()), glog.handling(glog.warnings()):
        LOG.info('shown')
        LOG.warning('loud')
    with glog.handling(glog.to_stderr()):
        LOG.info('elsewhere')
    out, err = capsys.readouterr()
    assert [line.split('] ')[1] for line in out.splitlines()] == ['shown', 'loud']
    warning, line = err.splitlines()
    assert warning == 'fcn: warning: loud' and line.endswith('] elsewhere')


def test_what_was_held_is_replayed_once_and_by_level(capsys) -> None:
    with glog.handling(glog.hold()) as held:
        LOG.info('early')
        LOG.warning('early and loud')
        assert capsys.readouterr() == ('', '')
        with glog.handling(glog.to_stdout()) as out, glog.handling(glog.warnings()) as err:
            glog.replay(held, [out, err])
            LOG.info('late')
    out, err = capsys.readouterr()
    assert [line.split('] ')[1] for line in out.splitlines()] == ['early', 'early and loud', 'late']
    assert err == 'fcn: warning: early and loud\n'


def test_what_was_held_in_vain_is_dropped(capsys) -> None:
    with pytest.raises(ValueError), glog.handling(glog.hold()):
        LOG.info('early')
        raise ValueError
    assert capsys.readouterr() == ('', '')


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, 'No space left on device')


def test_a_full_disk_does_not_fill_the_screen(tmp_path, capsys) -> None:
    with glog.handling(glog.to_file(tmp_path / 'a.log')) as handler:
        handler.stream.close()
        handler.stream = Full()
        LOG.info('lost')
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize('content', [b'net: "train.prototxt"\nbase_lr: 1\n', b'\x0a\x03net\0'])
def test_what_is_no_log_is_not_appended_to(tmp_path, content) -> None:
    (tmp_path / 'a').write_bytes(content)
    with pytest.raises(ValueError, match='a: is there and holds no log'):
        glog.to_file(tmp_path / 'a')
    assert (tmp_path / 'a').read_bytes() == content


def test_caffes_logs_and_blank_files_are_appended_to(tmp_path) -> None:
    head = 'Log file created at: 2014/11/20\nI1120 07:38:19.123456  4711 caffe.cpp:1] Use CPU.\n'
    for text in ('', '\n', head):
        (tmp_path / 'a').write_text(text)
        with glog.handling(glog.to_file(tmp_path / 'a')):
            LOG.info('one')
        assert (tmp_path / 'a').read_text().startswith(text)
