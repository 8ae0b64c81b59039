"""What several processes give one another; and how all end where one does."""

import os
import signal
import socket
import time

import pytest
import torch

from port.distributed.alone import launched
from port.distributed.ranks import joined


def said(text: object) -> None:
    print(text, flush=True)


def test_sums_gathers_and_spreads(torchrun) -> None:
    def work() -> None:
        assert launched()
        with joined() as ranks:
            x = torch.full((3,), float(ranks.rank + 1))
            said([ranks.sums([ranks.rank, 0.1]), ranks.mean(float(ranks.rank)),
                  ranks.add(x).tolist(), ranks.spread(torch.tensor([ranks.rank])).tolist(),
                  ranks.gathered({'é': ranks.rank}), ranks.by_first(lambda: [os.getpid()]) ==
                  ranks.gathered([os.getpid()])[0],
                  ranks.chosen('snapshot' if ranks.rank else None, ('stop', 'snapshot'))])
    ended = torchrun.run(work, work, work)
    expected = [[3.0, pytest.approx(0.3)], 1.0, [6.0] * 3, [0],
                [{'é': 0}, {'é': 1}, {'é': 2}], True, 'snapshot']
    assert [eval_list(one.out) for one in ended] == [expected] * 3


def test_what_others_write_counts_as_a_change(torchrun) -> None:
    """Else the fast engine would go on with what it packed of the weights of before."""
    def work() -> None:
        with joined() as ranks:
            x = torch.zeros(3)
            for write in (ranks.spread, ranks.add):
                before = x._version
                assert write(x) is x and x._version > before
            said('ok')
    assert [one.out for one in torchrun.run(work, work)] == ['ok\n'] * 2


def eval_list(text: str) -> object:
    import ast
    return ast.literal_eval(text.strip())


def test_facts_must_agree_and_one_failure_is_everybodys(torchrun) -> None:
    def differ() -> None:
        with joined() as ranks, ranks.agreed() as facts:
            facts['net'] = str(ranks.rank // 2)

    def fail() -> None:
        with joined() as ranks, ranks.agreed():
            if ranks.rank == 1:
                raise KeyError('no such thing')
    for work, what in ((differ, 'rank 2 has another net than rank 0'), (fail, 'no such thing')):
        ended = torchrun.run(work, work, work)
        assert [one.status for one in ended] == [99] * 3
        told = [one.err for one in ended if 'AlreadySaid' not in one.err.splitlines()[-1]]
        assert len(told) == 1 and what in told[0].splitlines()[-2] + told[0].splitlines()[-1]


def test_who_is_gone_is_named_at_once(torchrun) -> None:
    def work(rank: int) -> None:
        with joined() as ranks:
            ranks.sums([1])
            if rank == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            ranks.sums([1])
    ended = torchrun.run(*[lambda rank=rank: work(rank) for rank in range(3)])
    assert [one.status for one in ended] == [99, 99, -9]        # none waited for a minute
    last = [one.err.splitlines()[-1] for one in ended[:2]]
    assert sorted('AlreadySaid' in line for line in last) == [False, True]
    assert all('rank 2 of 3 ended without a word' in line for line in last)


def test_ranks_meet_whenever_they_come(torchrun) -> None:
    def work(rank: int, dies: bool) -> None:
        with joined() as ranks:
            time.sleep(0.3 * rank)
            if dies and rank:
                os.kill(os.getpid(), signal.SIGKILL)
            ranks.meet()
            ranks.meet()
            said(ranks.gathered(rank))
    for dies, statuses in ((False, [0, 0]), (True, [99, -9])):
        ended = torchrun.run(*[lambda rank=rank, dies=dies: work(rank, dies) for rank in range(2)])
        assert [one.status for one in ended] == statuses, [one.err for one in ended]
    assert 'rank 1 of 2 ended without a word' in ended[0].err.splitlines()[-1]


@pytest.mark.parametrize('kept', [True, False], ids=['torchrun', 'store of rank 0'])
def test_who_is_ready_waits_for_slower_ranks(kept: bool, torchrun) -> None:
    """Its connections carry their last numbers, and in rank 0 is the store of those who were not
    started by torchrun.
    """
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = str(free.getsockname()[1])

    def work(rank: int) -> None:
        if not kept:
            os.environ |= {'TORCHELASTIC_USE_AGENT_STORE': '', 'MASTER_PORT': port}
        with joined() as ranks:
            ranks.sums([1])
            time.sleep(0.5 * rank)
        said(time.monotonic())
    ended = torchrun.run(*[lambda rank=rank: work(rank) for rank in range(3)])
    assert [one.status for one in ended] == [0] * 3, [one.err for one in ended]
    times = [float(one.out) for one in ended]
    assert max(times) - min(times) < 0.4


def test_who_met_and_ended_is_not_gone(torchrun) -> None:
    """Ended between two looks of a slower rank: at who is here, and at who lives."""
    def work(rank: int) -> None:
        with joined() as ranks:
            lives = ranks._lives
            if rank == 0:
                ranks._lives = lambda other: (time.sleep(0.4), lives(other))[1]
            time.sleep(0.2 * rank)
    ended = torchrun.run(*[lambda rank=rank: work(rank) for rank in range(2)])
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]


def test_what_all_find_one_says(torchrun) -> None:
    """Each by itself, not together: alike, it is told once; else by each."""
    def work(rank: int, alike: bool) -> None:
        with joined():
            raise ValueError('no such thing' if alike else f'thing {rank}')
    for alike, count in ((True, 1), (False, 2)):
        works = [lambda rank=rank, alike=alike: work(rank, alike) for rank in range(2)]
        ended = torchrun.run(*works)
        assert sum('AlreadySaid' not in one.err for one in ended) == count, ended


def test_sigterm_while_waiting_ends_a_rank(torchrun) -> None:
    """As torchrun sends it to all when it is stopped itself."""
    def work() -> None:
        with joined() as ranks:
            ranks.sums([1])
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    ended = torchrun.run(work, work)
    assert [one.status for one in ended] == [99, 99]
    assert any('ended by whoever started the 2 ranks (SIGTERM)' in one.err for one in ended)


def test_sigterm_does_not_hide_why_a_rank_ends(torchrun) -> None:
    """torchrun sends it to those that are still there when the first has ended."""
    def work() -> None:
        before = signal.getsignal(signal.SIGTERM)
        try:
            with joined() as ranks, ranks.agreed():
                raise ValueError('no such thing')
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            said(before == signal.SIG_DFL)
    ended = torchrun.run(work, work)
    assert [(one.status, one.out) for one in ended] == [(99, 'True\n')] * 2


def test_notes_outlive_the_ranks(torchrun) -> None:
    def write() -> None:
        with joined() as ranks:
            assert ranks.noted('snapshot') == ''
            ranks.sums([1])
            if ranks.first:
                ranks.note('snapshot', 'a/b')

    def read() -> None:
        with joined() as ranks:
            said(ranks.noted('snapshot'))
    assert [one.status for one in torchrun.run(write, write)] == [0, 0]
    assert [one.out for one in torchrun.run(read, read, again=True)] == ['a/b\n'] * 2
    assert [one.out for one in torchrun.run(read, read)] == ['\n'] * 2, 'another launch'


