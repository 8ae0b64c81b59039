"""The order in which Python 2 shows a dict: by the slots of its hash table (Objects/dictobject.c of
2.7, 64 bits, without hash randomisation). Published net.py files put str(dict(...)) into prototxts.
"""

from collections.abc import Iterable
from typing import Any

WORD = (1 << 64) - 1


def hash_of(key: str | int) -> int:
    """Return Python 2's hash of a string or whole number, as 64 unsigned bits."""
    if isinstance(key, int):
        return (-2 if key == -1 else key) & WORD
    found = (ord(key[0]) << 7 if key else 0) & WORD
    for letter in key:
        found = (1000003 * found ^ ord(letter)) & WORD
    found ^= len(key)
    return found - (found == WORD)


class Table:
    """The slots of a dict into which only new keys come, from 8 on."""

    def __init__(self) -> None:
        self.slots: list[Any] = [None] * 8
        self.used = 0

    def put(self, key: str | int) -> None:
        """Put a new key into its slot; at two thirds full the table grows fourfold."""
        self._place(key)
        self.used += 1
        if self.used * 3 >= len(self.slots) * 2:
            self._grow(self.used * 4)

    def merge(self, keys: list) -> None:
        """Put the keys of another dict, for which room is made at once."""
        if (self.used + len(keys)) * 3 >= len(self.slots) * 2:
            self._grow((self.used + len(keys)) * 2)
        for key in keys:
            self.put(key)

    def _place(self, key: str | int) -> None:
        mask, perturb = len(self.slots) - 1, hash_of(key)
        at = perturb & mask
        while self.slots[at & mask] is not None:
            at = 5 * at + perturb + 1
            perturb >>= 5
        self.slots[at & mask] = (key,)

    def _grow(self, least: int) -> None:
        size, keys = 8, self.keys()
        while size <= least:
            size *= 2
        self.slots = [None] * size
        for key in keys:
            self._place(key)

    def keys(self) -> list:
        """Return the keys in the order in which Python 2 shows them."""
        return [slot[0] for slot in self.slots if slot is not None]


def _slots(keys: Iterable) -> list:
    table = Table()
    for key in keys:
        table.put(key)
    return table.keys()


class Py2Dict(dict):
    """What dict(...) makes in a converted script: as text its keys come in Python 2's order, where
    all are strings or whole numbers and none was taken out again; everything else is a dict's.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args)
        self._given = list(self)
        self.update(named)
        # A call's keywords come from the stack, the last one first, and are merged as a dict.
        self._named = _slots(reversed(named))

    def __repr__(self) -> str:
        known = all(isinstance(key, (str, int)) for key in self)
        if not known or not self.keys() >= {*self._given, *self._named}:
            return super().__repr__()
        table, seen = Table(), dict.fromkeys(self._given)
        for key in self._given:
            table.put(key)
        table.merge([key for key in self._named if key not in seen])
        for key in self:
            if key not in seen and key not in self._named:
                table.put(key)
        return f'{{{", ".join(f"{key!r}: {self[key]!r}" for key in table.keys())}}}'
