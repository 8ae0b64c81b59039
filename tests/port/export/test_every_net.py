"""Every net as ONNX in one table: what each line says, and what a failure does to it."""

import pytest

from netspec.variants import VARIANTS
from port.commands._frame import sizes_of
from port.export import every_net
from port.export.agreement import Agreement
from port.export.every_net import HEAD, ExportedNet, export_all, line

SIZE = (40, 40)


def agreed(diff: float, share: float) -> Agreement:
    """A comparison on 100 pixels whose largest score is 10."""
    return Agreement(SIZE, diff, diff / 10, share, pixels=100, ties=0)


def test_a_line_tells_the_worst_of_the_sizes():
    one = ExportedNet('n', 2_500_000, 1.25, True, [agreed(1e-5, 1.0), agreed(2e-5, 0.99999)])
    assert line(one).split() == ['n', 'trained', '2.5', '1.2', '2.00e-05', '2.00e-06', '99.999',
                                 '%']
    assert one.holds and len(line(one)) <= len(HEAD) + 2
    bad = ExportedNet('n', 1, 1.0, False, [agreed(1.0, 0.5)])
    assert not bad.holds and line(bad).endswith('disagrees')
    assert line(ExportedNet('n', failure='layer x has no ONNX form')).split(maxsplit=1) == [
        'n', 'layer x has no ONNX form']


def test_nets_one_after_another(monkeypatch, tmp_path):
    """With trained weights where they come along; one that fails does not end the others."""
    names = ('camvid-fcn-basic', 'voc-fcn32s', 'none-such')
    monkeypatch.setattr(every_net, 'VARIANTS', dict.fromkeys(names))
    monkeypatch.setattr(every_net, 'NARROW', 0.03125)
    real = every_net.find_net

    def find(name: str):
        if name == 'none-such':
            raise ValueError('no net')
        return real(name)
    monkeypatch.setattr(every_net, 'find_net', find)
    found = list(export_all(lambda name: [SIZE], folder=tmp_path))
    assert [(one.name, one.trained, one.holds) for one in found] == [
        ('camvid-fcn-basic', True, True), ('voc-fcn32s', False, True), ('none-such', False, False)]
    assert {p.name for p in tmp_path.iterdir()} == {'camvid-fcn-basic.onnx', 'voc-fcn32s.onnx'}
    assert found[0].size == (tmp_path / 'camvid-fcn-basic.onnx').stat().st_size
    assert all(one.rows and one.rows[0].size == SIZE for one in found[:2])


@pytest.mark.slow
def test_every_published_net():
    found = list(export_all(lambda name: sizes_of(VARIANTS[name], [(90, 75)]), width=0.0625))
    assert len(found) > 35 and [one.name for one in found if not one.holds] == []
