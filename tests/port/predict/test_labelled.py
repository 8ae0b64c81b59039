"""Labels of pictures on disk: files that are written while the next pictures are computed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread, get_native_id

import pytest
from PIL import Image

from port.predict.labelled import AHEAD, LATER, WRITERS, Unusable, Writing, decoded

MOMENT = 0.05       # seconds in which a thread that is not held up would go on


def test_a_few_files_at_most_wait_to_be_written() -> None:
    """Or a slow disk would fill the memory: the call that is one too many waits."""
    gate, full, given, written = Event(), Event(), [], []

    def write(number: int) -> None:
        gate.wait()
        written.append(number)

    def work() -> None:
        with Writing() as writing:
            for number in range(5 * WRITERS):
                writing(lambda number=number: write(number))
                given.append(number)
                if len(given) == 2 * WRITERS:
                    full.set()
    thread = Thread(target=work)
    thread.start()
    assert full.wait(10)
    thread.join(MOMENT)
    assert thread.is_alive() and len(given) == 2 * WRITERS and not written
    gate.set()
    thread.join(10)
    assert not thread.is_alive() and sorted(written) == list(range(5 * WRITERS))


def fail() -> None:
    raise OSError('the disk is full')


def test_a_failure_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match='the disk is full'), Writing() as writing:
        writing(fail)


def test_a_failure_is_raised_by_a_later_call() -> None:
    calls = []
    with pytest.raises(OSError, match='the disk is full'), Writing() as writing:
        writing(fail)
        for number in range(3 * WRITERS):
            writing(lambda: None)
            calls.append(number)
    assert len(calls) == 2 * WRITERS - 1


def test_an_error_of_the_block_itself_goes_before_those_of_writing() -> None:
    with pytest.raises(ZeroDivisionError), Writing() as writing:
        writing(fail)
        _ = 1 / 0


def test_pictures_are_decoded_in_order_and_a_bad_one_alone_fails(tmp_path: Path) -> None:
    files = [tmp_path / f'{i}.png' for i in range(3 * AHEAD)]
    for i, file in enumerate(files):
        Image.new('RGB', (2, 3), (i, 0, 7)).save(file)
    files[1].write_text('no picture')
    found = list(decoded(files))
    assert len(found) == len(files)
    for i, future in enumerate(found):
        if i == 1:
            with pytest.raises(Unusable, match='1.png'):
                future.result()
        else:
            assert future.result().shape == (3, 2, 3)
            assert (future.result() == (i, 0, 7)).all()


def test_so_many_pictures_are_decoded_ahead_and_no_more(tmp_path: Path) -> None:
    """Or a folder of thousands would be in memory at once."""
    asked = []

    def files() -> Iterator[Path]:
        for i in range(4 * AHEAD):
            asked.append(i)
            yield tmp_path / f'{i}.png'
    pictures = decoded(files())
    for taken in range(3):
        next(pictures)
        assert len(asked) == taken + 1 + AHEAD
    assert len(list(pictures)) == 4 * AHEAD - 3


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere a thread has no priority of its own')
def test_writers_leave_the_cores_to_the_net() -> None:
    def mine() -> int:
        return os.getpriority(os.PRIO_PROCESS, get_native_id())
    before, found = mine(), []
    with Writing() as writing:
        writing(lambda: found.append(mine()))
    assert found == [min(19, max(before, LATER))] and mine() == before
