"""Every net of the table as ONNX, one after another, and how ONNX Runtime agrees: one table."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from netspec.named_net import find_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.starting_weights import load, prepare
from port.export import onnx_file
from port.export.agreement import Agreement, holds

Sizes = Sequence[tuple[int, int]]
NARROW = 0.25


@dataclass
class ExportedNet:
    """A net that was exported: bytes of its files, seconds, whose weights, how it agrees; or why
    it was not.
    """

    name: str
    size: int = 0
    seconds: float = 0.0
    trained: bool = False
    rows: list[Agreement] = field(default_factory=list)
    failure: str = ''

    @property
    def holds(self) -> bool:
        """Whether it was exported and agrees as far as it was compared."""
        return not self.failure and (not self.rows or holds(self.rows))


def export_all(sizes: Callable[[str], Sizes], width: float | None = None, opset: int | None = None,
               folder: Path | None = None, compared: bool = True, seed: int = 1337
               ) -> Iterator[ExportedNet]:
    """Export every net of the table into a folder, or where none is given one for the moment.

    sizes: of the pictures that a net is compared on. width: of the trunks' channels. Where none is
    given a net with trained weights that come along has those, and all others are narrow.
    """
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        for name in VARIANTS:
            path = Path(place) / f'{name}.onnx'
            try:
                yield _exported(name, path, sizes(name), width, opset, compared, seed)
            except (ValueError, MemoryError) as error:
                yield ExportedNet(name, failure=str(error) or 'too little memory')
            if folder is None:
                for one in (path, Path(f'{path}.data')):
                    one.unlink(missing_ok=True)


def _exported(name: str, path: Path, sizes: Sizes, width: float | None, opset: int | None,
              compared: bool, seed: int) -> ExportedNet:
    named, start = find_net(name), time.monotonic()
    weights = named.trained() if width is None else None
    net = Net(named.deploy(None if weights else width or NARROW), TEST)
    if weights:
        load(net, weights)
    else:
        onnx_file.random_weights(net, seed)
        prepare(net)
    onnx_file.export(net, path, name, opset=opset or onnx_file.OPSET)
    rows = onnx_file.compare(net, path, sizes, seed) if compared else []
    size = sum(one.stat().st_size for one in (path, Path(f'{path}.data')) if one.exists())
    return ExportedNet(name, size, time.monotonic() - start, weights is not None, list(rows))


HEAD = (f'{"net":<30} {"weights":<7} {"MB":>7} {"s":>6} {"largest diff.":>13} {"of largest":>10} '
        f'{"argmax agrees":>13}')


def line(one: ExportedNet) -> str:
    """Return a net's line of the table: the worst of its sizes."""
    if one.failure:
        return f'{one.name:<30} {one.failure}'
    weights = 'trained' if one.trained else 'drawn'
    told = f'{one.name:<30} {weights:<7} {one.size / 1e6:>7.1f} {one.seconds:>6.1f}'
    if not one.rows:
        return told
    diff = max((row.max_diff for row in one.rows if row.max_diff is not None), default=None)
    relative = max((row.relative for row in one.rows if row.relative is not None), default=None)
    told += ' ' + ('-' if diff is None else f'{diff:.2e}').rjust(13)
    told += ' ' + ('-' if relative is None else f'{relative:.2e}').rjust(10)
    told += f' {100 * min(row.agreement for row in one.rows):>11.3f} %'
    return told + ('' if one.holds else '  disagrees')
