"""fcn serve as a command: where it listens, what it says, what it refuses."""

import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip('starlette', reason="fcn serve: pip install 'fcn-caffe[serve]'")

WIDTH = '0.03125'


def test_serves_a_net_until_it_is_asked_to_stop(start, lively, scenes):
    process = start('serve', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--port', 0,
                    '--max-seconds', 600)
    line = process.stdout.readline()
    port = re.fullmatch(r'serving voc-fcn32s on http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends\)\n',
                        line)[1]
    request = urllib.request.Request(f'http://127.0.0.1:{port}/label',
                                     scenes.image('val_000000').read_bytes())
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read().startswith(b'\x89PNG')
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert out == 'stopped\n' and err == '' and process.returncode == 0


def test_a_run_is_served_with_its_stages(scenes, tmp_path: Path, fcn, monkeypatch):
    """The net asked for first, then the others that are trained."""
    from port.commands import serve
    run = tmp_path / 'run'
    assert fcn('reproduce', 'voc-fcn16s', '--data', scenes.root, '--width', WIDTH, '--block', 1,
               '--blocks', 1, '--limit', 1, '--out', run).exit_code == 0
    seen = {}
    monkeypatch.setattr('port.serve.server.run', lambda app, place, limits: None)
    real = serve.served

    def kept(given):
        seen[str(given.net.named.given)] = [net.name for net in real(given)]
        return []
    monkeypatch.setattr(serve, 'served', kept)
    for net in (run, run / 'voc-fcn32s'):
        assert fcn('serve', net, '--port', 0).exit_code == 0
    assert seen == {str(run): ['voc-fcn16s', 'voc-fcn32s'],
                    str(run / 'voc-fcn32s'): ['voc-fcn32s', 'voc-fcn16s']}


def test_a_port_that_is_taken_is_told(lively, refused):
    with socket.socket() as place:
        place.bind(('127.0.0.1', 0))
        place.listen()
        port = place.getsockname()[1]
        line = refused('serve', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--port', port)
    assert f'cannot listen on 127.0.0.1, port {port}: Address already in use; give another' in line


def test_another_address_than_loopback_is_warned_of(lively, fcn, monkeypatch):
    monkeypatch.setattr('port.serve.server.run', lambda app, place, limits: None)
    shared = ('serve', 'voc-fcn32s', '--weights', lively, '--width', WIDTH, '--port', 0)
    assert fcn(*shared).stderr == ''
    assert 'everyone who reaches 0.0.0.0 can send pictures' in fcn(*shared, '--host',
                                                                   '0.0.0.0').stderr
