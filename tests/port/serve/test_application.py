"""The endpoint over a real socket: answers, limits, and requests that are none of ours."""

import io
import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.serve.application import is_loopback


def test_labels_as_a_png(site, nets, rgb, picture):
    for query, net in (('', nets[0]), ('?net=voc-fcn32s', nets[1])):
        found = site.ask(f'label{query}', picture)
        assert found.status == 200 and found.headers['content-type'] == 'image/png'
        with Image.open(io.BytesIO(found.body)) as image:
            assert np.array_equal(np.asarray(image), net.predict(rgb))


def test_the_page_may_load_nothing_but_itself(site):
    found = site.ask()
    assert found.status == 200 and b'</html>' in found.body
    policy = found.headers['content-security-policy']
    assert policy.startswith("default-src 'none'") and "'unsafe" not in policy
    assert found.headers['x-content-type-options'] == 'nosniff'
    assert b'http' not in found.body.lower()             # no address of any other place


def test_what_the_page_is_told(site):
    found = json.loads(site.ask('net').body)
    assert [net['name'] for net in found['nets']] == ['voc-fcn16s', 'voc-fcn32s']
    classes = found['nets'][0]['classes']
    assert len(classes) == 21 and classes[1] == {'name': 'aeroplane', 'colour': [128, 0, 0]}
    assert found['pixels'] == 40_000 and found['megabytes'] == 1


@pytest.mark.parametrize(('path', 'body', 'status', 'line'), [
    ('label?net=../../etc/passwd', b'x', 400, "net='../../etc/passwd': expected one of voc-fcn16s"),
    ('label?form=gif', b'x', 400, 'expected one of png, raw'),
    ('label?crf=yes', b'x', 400, 'expected one of 0, 1'),
    ('label?file=/etc/passwd', b'x', 400, "'file': expected net, crf or form"),
    ('label', b'no picture', 415, 'expected a picture'),
    ('label', None, 405, ''), ('', b'x', 405, ''),
    ('../../../etc/passwd', None, 404, ''), ('static/x', None, 404, ''),
    ('%2e%2e/page.html', None, 404, '')])
def test_wrong_requests_get_a_line(site, path, body, status, line):
    found = site.ask(path, body)
    assert found.status == status and line in found.body.decode()
    assert found.body.decode().count('\n') <= 1 and b'Traceback' not in found.body


def test_foreign_pages_and_names_are_refused(site, start, nets, picture):
    assert site.ask('label', picture, Origin='http://evil.example').status == 403
    assert site.ask('net', Host='evil.example').status == 421
    assert site.ask('net', Host=f'localhost:{site.port}').status == 200
    assert site.ask('label', picture, Origin=site.url.rstrip('/')).status == 200
    other = start(nets[:1], host='0.0.0.0')
    assert other.ask('net', Host='my.machine').status == 200      # told to answer everybody
    assert other.ask('label', picture, Origin='http://evil.example').status == 403


@pytest.mark.parametrize(('host', 'loopback'), [
    ('127.0.0.1', True), ('127.8.9.1', True), ('::1', True), ('[::1]', True), ('localhost', True),
    ('0.0.0.0', False), ('10.0.0.1', False), ('localhost.evil.example', False), ('', False)])
def test_what_is_this_machine_alone(host, loopback):
    assert is_loopback(host) == loopback


def test_a_connection_that_brings_nothing_is_closed(start, nets, picture):
    hasty = start(nets[:1], seconds=0.3)
    for sent, told in ((b'', b''), (b'POST /label HTTP/1.1\r\nHost: 127', b''),
                       (b'POST /label HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\nab',
                        b'408')):
        with socket.create_connection(('127.0.0.1', hasty.port), timeout=10) as place:
            place.sendall(sent)
            assert told in place.recv(1000)


def test_a_length_over_the_limit_is_refused_before_the_body_comes(site):
    with socket.create_connection(('127.0.0.1', site.port), timeout=10) as place:
        place.sendall(b'POST /label HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                      b'Content-Length: 1000001\r\n\r\n')
        with place.makefile('rb') as answer:
            told = answer.read()
    assert b' 413 ' in told and b'expected a picture of at most 1 MB' in told


def test_a_stream_without_a_length_is_cut_off(site):
    with socket.create_connection(('127.0.0.1', site.port), timeout=10) as place:
        place.sendall(b'POST /label HTTP/1.1\r\nHost: 127.0.0.1\r\n'
                      b'Transfer-Encoding: chunked\r\n\r\n')
        chunk = b'%x\r\n' % 100_000 + bytes(100_000) + b'\r\n'
        answer = b''
        try:
            for _ in range(50):
                place.sendall(chunk)
        except OSError:
            pass
        try:
            answer = place.recv(1000)
        except ConnectionResetError:
            answer = b'413'                    # told and closed before all was sent
    assert b'413' in answer


def test_nothing_is_written(site, picture, tmp_path: Path, monkeypatch):
    """No file is opened for writing by any thread while a picture is labelled."""
    import sys
    opened: list[object] = []
    watching = [True]

    def hear(event: str, args: tuple) -> None:
        if watching[0] and event == 'open':
            path, mode, flags = args
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                opened.append(path)
    sys.addaudithook(hear)
    try:
        assert site.ask('label?crf=1', picture).status == 200
    finally:
        watching[0] = False
    assert opened == []
