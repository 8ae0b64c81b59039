"""Works shared by threads: every part once, failures passed on."""

import numpy as np
import pytest

from port.crf.crf_kernels import Team


@pytest.mark.parametrize('threads', [1, 2, 5])
@pytest.mark.parametrize('count, grain', [(100, 8), (3, 1), (0, 1), (17, 16)])
def test_every_item_once(threads: int, count: int, grain: int) -> None:
    seen = np.zeros(count, int)

    def work(first: int, last: int) -> None:
        seen[first:last] += 1
    with Team(threads) as team:
        bounds = team.even(count, grain)
        assert all(b % grain == 0 or b == count for b in bounds)
        team((work, bounds))
        team((work, bounds), (work, bounds))
    assert (seen == 3).all()


@pytest.mark.parametrize('threads', [1, 3])
@pytest.mark.parametrize('count', [0, 1, 2, 7])
def test_each_task_once(threads: int, count: int) -> None:
    done = []
    with Team(threads) as team:
        team.each([lambda i=i: done.append(i) for i in range(count)])
    assert sorted(done) == list(range(count))


def test_a_failure_is_passed_on() -> None:
    def work(first: int, last: int) -> None:
        if first:
            raise ZeroDivisionError
    with Team(2) as team, pytest.raises(ZeroDivisionError):
        team((work, team.even(10)))
    with Team(2) as team, pytest.raises(ZeroDivisionError):
        team.each([lambda: 1, lambda: 1 // 0])
