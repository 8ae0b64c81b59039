"""Requests by signal: queued, served one at a time, handlers given back."""

import os
import signal

import pytest

from port.training.signals import Requests
from port.training.solver import SNAPSHOT, STOP

EFFECTS = {'SIGTERM': 'stop', 'SIGHUP': 'snapshot', 'SIGUSR1': 'none'}


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_signals_become_requests_in_order() -> None:
    with Requests(EFFECTS) as requests:
        assert requests() is None
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
            send(number)
        assert requests.last == signal.SIGTERM
        assert [requests(), requests(), requests()] == [SNAPSHOT, STOP, None]


def test_a_second_stop_interrupts_at_once() -> None:
    with Requests(EFFECTS) as requests:
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        assert requests() == STOP


def test_a_stop_that_was_served_may_come_again() -> None:
    with Requests(EFFECTS) as requests:
        for _ in range(2):
            send(signal.SIGTERM)
            assert requests() == STOP


def test_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError), Requests(EFFECTS):
        assert signal.getsignal(signal.SIGTERM) != before
        raise ValueError
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_the_system_lacks_is_passed_over() -> None:
    assert Requests({'SIGNONE': 'stop'}).effects == {}
