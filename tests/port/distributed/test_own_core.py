"""Each rank held to a core of its own: where, for how long, and what is let go meanwhile."""

import os
import threading

import pytest

from port.distributed.alone import ALONE
from port.distributed.own_core import OwnCore, cores_here, dealt
from port.distributed.ranks import joined

ONE, OTHER, BOTH = [4], [9], [4, 9]


@pytest.mark.parametrize('rows, expected', [
    ([('a', True, BOTH)] * 2, BOTH),
    ([('a', True, BOTH), ('b', True, BOTH), ('b', True, BOTH), ('a', True, BOTH)], [4, 4, 9, 9]),
    ([('a', True, BOTH)], [None]),                                    # alone on its machine
    ([('a', True, [1, *BOTH])] * 2, [None] * 2),                      # a core to spare
    ([('a', True, BOTH)] * 3, [None] * 3),                            # too few
    ([('a', True, ONE), ('a', True, OTHER)], [None] * 2),             # placed by somebody
    ([('a', True, BOTH), ('a', False, BOTH)], [None] * 2),            # a GPU, or several threads
    ([('a', True, [])] * 2, [None] * 2)])                             # the system does not tell
def test_cores_are_dealt_where_ranks_fill_them(rows, expected) -> None:
    assert [dealt(rows, rank) for rank in range(len(rows))] == expected


def test_one_process_and_other_systems_stay_as_they_are(monkeypatch) -> None:
    before = cores_here()
    with OwnCore(ALONE) as held:
        assert held is None and cores_here() == before
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    assert cores_here() == []
    with OwnCore(ALONE):
        pass


needs_two = pytest.mark.skipif(len(cores_here()) < 2, reason='needs two cores that can be chosen')


@needs_two
def test_a_rank_is_held_in_the_block_and_what_starts_in_freed_is_not(torchrun) -> None:
    cores = cores_here()[:2]

    def thread() -> list[int]:
        found: list[int] = []
        one = threading.Thread(target=lambda: found.extend(cores_here()))
        one.start()
        one.join()
        return found

    def work() -> None:
        os.sched_setaffinity(0, cores)
        with joined() as ranks:
            own = OwnCore(ranks)
            free = own.freed(lambda what: what())
            with own:
                assert cores_here() == [own.core] == [cores[ranks.rank]] == thread()
                assert free(cores_here) == free(thread) == cores
                assert cores_here() == [own.core]
                with pytest.raises(ZeroDivisionError):
                    free(lambda: 1 / 0)
                assert cores_here() == [own.core]
            assert cores_here() == cores == free(thread)
            with own:                         # somebody moves it meanwhile
                os.sched_setaffinity(0, {cores[1 - ranks.rank]})
            assert cores_here() == [cores[1 - ranks.rank]]
            with own:                         # its core is none that it may use now
                assert cores_here() == [cores[1 - ranks.rank]]
    ended = torchrun.run(work, work)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]


@needs_two
def test_ranks_that_somebody_placed_stay_there(torchrun) -> None:
    cores = cores_here()[:2]

    def work(core: int) -> None:
        os.sched_setaffinity(0, {core})
        with joined() as ranks:
            own = OwnCore(ranks)
            with own:
                assert own.core is None and cores_here() == [core]
    ended = torchrun.run(*[lambda core=core: work(core) for core in cores])
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
