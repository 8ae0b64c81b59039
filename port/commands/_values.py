"""The kinds of values that arguments and options of several commands take: a net, sizes, a mean.

netspec is imported when a value is read, not with this file: its import is most of the time that
help would take.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from netspec.named_net import Classes, NamedNet

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
Context: TypeAlias = click.Context | None
Param: TypeAlias = click.Parameter | None


class NetName(click.ParamType):
    """NET: a published name, a folder of `fcn new` or `fcn reproduce`, or a prototxt file."""

    name = 'net'

    def convert(self, value: Any, param: Param, ctx: Context) -> NamedNet:
        from netspec import named_net
        if isinstance(value, named_net.NamedNet):
            return value
        try:
            return named_net.find_net(value)
        except KeyError as error:
            self.fail(str(error.args[0]), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter,
                       incomplete: str) -> list[CompletionItem]:
        """Complete published names; where none begins so, the shell looks among the files."""
        from netspec.variants import VARIANTS
        found = [CompletionItem(name) for name in VARIANTS if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type='file')]


class RowName(NetName):
    """A NET of which it is known where it comes from: no prototxt."""

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        from netspec import variants
        if isinstance(value, variants.Variant):
            return value
        try:
            return super().convert(value, param, ctx).known_row('this command')
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Named(click.ParamType):
    """A kind of value that help shows by its name as it is written: HxW, not HXW."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name


class Sizes(Named):
    """Image sizes, height first: HxW, several with commas."""

    name = 'HxW[,HxW…]'

    def convert(self, value: Any, param: Param, ctx: Context) -> list[tuple[int, int]]:
        if isinstance(value, list):
            return value
        return [self.one(part, param, ctx) for part in value.split(',')]

    def one(self, text: str, param: Param, ctx: Context) -> tuple[int, int]:
        """Read one size."""
        match = re.fullmatch(r'\s*([1-9]\d{0,4})x([1-9]\d{0,4})\s*', text)
        if not match:
            self.fail(f'{text!r} is not a size; expected HEIGHTxWIDTH, such as 375x500', param, ctx)
        return int(match[1]), int(match[2])


class Size(Sizes):
    """One image size, height first: HxW."""

    name = 'HxW'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        if isinstance(value, tuple):
            return value
        sizes = super().convert(value, param, ctx)
        if len(sizes) > 1:
            self.fail(f'{value!r}: expected one size', param, ctx)
        return sizes[0]


class SizeRange(Sizes):
    """All image sizes between two: HxW-HxW, the smallest and the largest; or one, HxW."""

    name = 'HxW[-HxW]'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        if isinstance(value, tuple):
            return value
        least, to, most = value.partition('-')
        ends = self.one(least, param, ctx), self.one(most if to else least, param, ctx)
        if any(first > last for first, last in zip(*ends, strict=True)):
            self.fail(f'{value!r}: the first size is larger than the second', param, ctx)
        return ends


class ClassCounts(Named):
    """A number of classes, or one for each head with commas."""

    name = 'N[,N]'

    def convert(self, value: Any, param: Param, ctx: Context) -> Classes:
        if not isinstance(value, str):
            return value
        try:
            counts = tuple(int(v) for v in value.split(','))
        except ValueError:
            self.fail(f'{value!r} is not a number of classes', param, ctx)
        if min(counts) < 1:
            self.fail(f'{value!r}: expected 1 class or more', param, ctx)
        return counts[0] if len(counts) == 1 else counts


class ClassCount(ClassCounts):
    """A number of classes of a net with one head."""

    name = 'N'

    def convert(self, value: Any, param: Param, ctx: Context) -> int:
        counts = super().convert(value, param, ctx)
        if not isinstance(counts, int):
            self.fail(f'{value!r}: expected one number of classes', param, ctx)
        return counts


class Finite(click.FloatRange):
    """A number of a range; neither infinite nor nan, which lies in every range for click."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return 'NUMBER'

    def convert(self, value: Any, param: Param, ctx: Context) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f'{value!r} is not a finite number', param, ctx)
        return number


class Colours(Named):
    """Three numbers, red green blue."""

    name = 'R,G,B'

    def convert(self, value: Any, param: Param, ctx: Context) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        numbers = three_numbers(value)
        if not numbers or not all(0 <= v <= 1 for v in numbers):
            self.fail(f'{value!r} is not three numbers of 0..1 with commas', param, ctx)
        return numbers


class Mean(NetName):
    """Three numbers, blue green red, or a NET whose mean is meant."""

    name = 'B,G,R|NET'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        if isinstance(value, tuple):
            return value
        if re.fullmatch(r'[-+.,\deE\s]+', value):
            numbers = three_numbers(value)
            if not numbers:
                self.fail(f'{value!r} is no mean; expected B,G,R such as 104.007,116.669,122.679',
                          param, ctx)
            return numbers
        return RowName().convert(value, param, ctx).mean


def three_numbers(text: str) -> tuple[float, ...]:
    """Read three numbers with commas between; () where they are none."""
    try:
        numbers = tuple(float(v) for v in text.split(','))
    except ValueError:
        return ()
    return numbers if len(numbers) == 3 else ()


WIDTH = Finite(min=0, min_open=True)
