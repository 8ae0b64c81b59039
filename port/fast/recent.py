"""The last few of what is made once for a key: plans, memory and blank values of image sizes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar('T')


class Recent(Generic[T]):
    """Keeps what was asked for last, `most` of them. Not for several threads at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what belongs to a key; make it where it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = self._kept[key] = make()
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return found

    def __len__(self) -> int:
        return len(self._kept)

    def values(self) -> list[T]:
        """Return all that is kept, what was asked for last at the end."""
        return [*self._kept.values()]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
