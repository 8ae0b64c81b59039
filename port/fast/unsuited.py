"""What the fast engines raise for a net, or a size of image, that the plain engine must take."""

import logging

log = logging.getLogger('port.fast')


class Unsuited(Exception):
    """The net cannot take this fast way; the text says which layer keeps it from that, and why."""


class Refusals:
    """Logs why passes are made by the plain engine, each reason once."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def __call__(self, error: Unsuited) -> None:
        if str(error) not in self.told:
            self.told.add(str(error))
            log.info('passes by the plain engine: %s', error)
