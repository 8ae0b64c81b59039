"""One process, asked what several would be."""

import subprocess
import sys

import pytest
import torch

from port.distributed.alone import ALONE, Alone, launched


def test_one_process_is_rank_0_of_1_and_sums_are_its_own() -> None:
    x = torch.ones(3)
    assert (ALONE.rank, ALONE.size, ALONE.first, list(ALONE.share(5))) == (0, 1, True, [*range(5)])
    assert ALONE.sums([1.5, 2]) == [1.5, 2] and ALONE.mean(3.0) == 3 and ALONE.add(x) is x
    assert ALONE.gathered('a') == ['a'] and ALONE.by_first(lambda: 7) == 7
    assert ALONE.chosen('stop', ('stop', 'snapshot')) == 'stop'
    assert ALONE.chosen(None, ('stop', 'snapshot')) is None and ALONE.noted('a') == ''
    with pytest.raises(ValueError, match='mine'), ALONE.agreed():
        raise ValueError('mine')


@pytest.mark.parametrize('count', [0, 1, 5, 12])
@pytest.mark.parametrize('size', [1, 2, 3, 7])
def test_shares_are_rows_that_cover_everything_once(size: int, count: int) -> None:
    class One(Alone):
        def __init__(self, rank: int) -> None:
            self.rank, self.size = rank, size
    shares = [One(rank).share(count) for rank in range(size)]
    assert [i for share in shares for i in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_launched(monkeypatch) -> None:
    for name, value in (('RANK', '0'), ('MASTER_ADDR', 'here'), ('MASTER_PORT', '1')):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert launched()
    monkeypatch.setenv('WORLD_SIZE', '1')
    assert not launched(), 'torchrun of one process'
    monkeypatch.setenv('WORLD_SIZE', '8')
    monkeypatch.delenv('RANK')
    assert not launched(), 'what a cluster sets for others'


def test_one_process_imports_nothing_of_it() -> None:
    """A training and a scoring know of other processes only that there are none."""
    text = ('import sys; import port.commands.train, port.commands.score, port.training.job, '
            'port.scoring.evaluate, port.predict.predictor, port.reproduce.reproduction; '
            'print(*[name for name in sys.modules if name.startswith("port.distributed.")])')
    done = subprocess.run([sys.executable, '-c', text], capture_output=True, text=True)
    assert done.stdout.split() == ['port.distributed.alone'], done.stderr
