"""Nets made for one image size (SegNet's): the line that says so where another one fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.variants import Variant


Size = tuple[int, int]


def sizes_of(variant: Variant | None, usual: Sequence[Size]) -> list[Size]:
    """Return the sizes to use where none is given: the one that a net is made for, or the usual,
    each side the next smaller that its grid takes.
    """
    if variant and variant.frame:
        return [variant.frame]
    grid = variant.grid if variant else 1

    def fitted(side: int) -> int:
        return max(1, (side - 1) // grid) * grid + 1 if grid > 1 else side
    return [(fitted(height), fitted(width)) for height, width in usual]


@contextmanager
def framed(variant: Variant | None, sizes: Sequence[Size], where: str, remedy: str = '',
           kind: type[ValueError] = ValueError) -> Iterator[None]:
    """Say of a failure at other sizes than the one that a net is made for that they are others.

    where: the option that asks for the sizes, or the picture; remedy: to leave the option out.
    """
    try:
        yield
    except ValueError as error:
        if variant is None or not variant.frame:
            raise
        high, wide = variant.frame
        others = [f'{height}x{width}' for height, width in sizes if (height, width) != (high, wide)]
        if not others:
            raise
        raise kind(f'{where} {",".join(others)}: {variant.name} is made for images of '
                   f'{high}x{wide} (height x width); {remedy or f"leave {where} out"}') from error
