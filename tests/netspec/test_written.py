"""netspec.written: a net in a file, taken as a NetSpec, is the same, and can be gone on from."""

import pytest

from netspec import layers as L
from netspec.families import make_net
from netspec.written import as_spec


@pytest.mark.parametrize('name', ['voc-fcn8s', 'voc-fcn-googlenet', 'camvid-segnet'])
@pytest.mark.parametrize('split', ['val', 'deploy'])
def test_what_was_read_is_written_again(name: str, split: str) -> None:
    net = make_net(name, split, width=0.125)
    assert as_spec(net)[0].to_proto() == net


def test_a_blob_stands_for_the_last_layer_that_writes_it() -> None:
    n, blobs = as_spec(make_net('voc-fcn8s', 'deploy', width=0.125))
    n.more = L.Sigmoid(blobs['fc7'])
    last = n.to_proto().layer[-1]
    assert (last.type, list(last.bottom)) == ('Sigmoid', ['fc7'])
    assert blobs['fc7'].name == 'relu7'
