"""port.images.read_ahead: the published random order, and reading ahead that changes nothing."""

import itertools
import threading

import numpy as np
import pytest

from port.images.read_ahead import ReadAhead, draw_seed, picks, shuffles


@pytest.mark.parametrize('seed', [0, 1337, 2 ** 31])
def test_random_picks_are_the_mersenne_twister_seeded_by_array(seed: int) -> None:
    # numpy seeds its own twister in the same way when it is given a list
    doubles = np.random.RandomState([seed]).random_sample(500)
    assert list(itertools.islice(picks(8498, seed), 500)) == [int(d * 8498) for d in doubles]


def test_in_order_wraps_around() -> None:
    assert list(itertools.islice(picks(3, None), 7)) == [0, 1, 2, 0, 1, 2, 0]


def test_drawn_seeds_differ() -> None:
    assert draw_seed() != draw_seed()


def array(index: int) -> tuple[np.ndarray, ...]:
    return (np.full(2, index),)


@pytest.mark.parametrize('ahead', [0, 1, 5])
def test_reading_ahead_keeps_the_order(ahead: int) -> None:
    queue, seen = ReadAhead(array, picks(7, 5), ahead), []
    for _ in range(40):
        assert queue.current()[0][0] == queue.index
        seen.append(queue.index)
        queue.advance()
    queue.close()
    assert seen == list(itertools.islice(picks(7, 5), 40))


def test_never_more_than_ahead_are_loaded() -> None:
    loaded = []
    queue = ReadAhead(lambda i: (loaded.append(i), array(i))[1], picks(100, None), 3)
    for _ in range(10):
        queue.current()
        queue.advance()
    queue.pool.shutdown()
    assert max(loaded) == 10 + 3 - 1 and sorted(loaded) == list(range(13))


def test_no_thread_before_the_first_advance() -> None:
    before = threading.active_count()
    queue = ReadAhead(array, picks(3, None), 4)
    queue.current()
    assert threading.active_count() == before


@pytest.mark.parametrize('ahead', [0, 4])
def test_an_error_comes_at_its_turn_and_asking_again_reads_again(ahead: int) -> None:
    broken = {2}

    def load(index: int) -> tuple[np.ndarray, ...]:
        if index in broken:
            raise ValueError(f'image {index}')
        return array(index)

    queue = ReadAhead(load, picks(4, None), ahead)
    for _ in range(2):
        queue.current()
        queue.advance()
    with pytest.raises(ValueError, match='image 2'):
        queue.current()
    broken.clear()
    assert queue.current()[0][0] == 2
    queue.close()


@pytest.mark.parametrize('seed', [None, 5])
@pytest.mark.parametrize('skip', [0, 1, 6, 7, 200000])
def test_skipping_leads_to_where_so_many_picks_do(seed: int | None, skip: int) -> None:
    walked = list(itertools.islice(picks(7, seed), skip, skip + 20))
    assert list(itertools.islice(picks(7, seed, skip), 20)) == walked


@pytest.mark.parametrize('skip', [0, 3, 7, 16])
def test_shuffles_give_every_index_once_a_turn_and_go_on_anywhere(skip: int) -> None:
    walked = list(itertools.islice(shuffles(7, 5), 40))
    assert all(sorted(walked[i:i + 7]) == list(range(7)) for i in range(0, 35, 7))
    assert walked[:7] != walked[7:14]
    assert list(itertools.islice(shuffles(7, 5, skip), 40 - skip)) == walked[skip:]
