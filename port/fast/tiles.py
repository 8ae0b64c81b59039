"""A deploy net on an image tile by tile, with the scores of the whole image.

A plan (reach.plan) says for each tile of the scores which rows and columns every layer must
compute, back to the image; so a tile reads just its reach, the borders and the padding are the
image's own, and there is no seam. Only the values that later layers still read are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

import torch

from port.engine.net import Net
from port.fast.execution import Execution
from port.fast.inference import FastNet
from port.fast.kernels.planes import LAST
from port.fast.reach.geometry import Interval
from port.fast.reach.plan import ReachPlan
from port.fast.unsuited import Unsuited

Size = tuple[int, int]
Read = Callable[[Interval, Interval], torch.Tensor]   # rows and columns of the image, 1 x C x h x w
FLOAT = 4                    # bytes
WORKING = 2.5                # an operation's own memory, as a share of what it reads and writes
STEP = 32                    # sides that are tried: multiples of the strides


@dataclass(frozen=True)
class Tile:
    """A part of the scores: its rows and columns."""

    rows: Interval
    columns: Interval


def tiles_of(size: Size, tile: Size) -> list[Tile]:
    """Return the tiles of an image, row after row, each as large as the others where it can be."""
    rows, columns = ([Interval(i * n // count, (i + 1) * n // count) for i in range(count)]
                     for n, side in zip(size, tile, strict=True)
                     for count in [max(1, ceil(n / side))])
    return [Tile(down, across) for down in rows for across in columns]


class TiledNet:
    """A net in the TEST phase, for images of any size that their tiles need not hold at once.

    output: the score blob, of the image's size. Raises Unsuited, naming the layer, for a net
    whose layers do not tell which part of the image a score depends on: it looks at the whole.
    """

    def __init__(self, net: Net, output: str, dtype: torch.dtype = torch.float32,
                 skip: bool = True) -> None:
        self.fast = FastNet(net, [output], dtype, skip, parts=True)
        self.output = output
        self.channels = self._channels()

    def _channels(self) -> dict[int, int]:
        """Return the channels of every value."""
        program, net = self.fast.program, self.fast.net
        found = {value: net.all_blobs[name].shape[1] for name, value in program.inputs.items()}
        for op in program.operations:
            found[op.output] = (sum(found[v] for v in op.inputs) if op.layer.type == 'Concat'
                                else getattr(op.layer, 'num_output', found[op.inputs[0]]))
            if op.places is not None:            # integers of twice the bytes
                found[op.places] = 2 * found[op.output]
        return found

    def plan(self, size: Size, tile: Tile) -> ReachPlan:
        """Return what is computed for a tile of an image."""
        return self._planned(size, [tile.rows, tile.columns])

    def _planned(self, size: Size, part: list[Interval] | None = None) -> ReachPlan:
        """Return the plan for an image; ValueError, naming the layer, for a size it cannot take."""
        try:
            return self.fast.plan({name: size for name in self.fast.program.inputs}, part)
        except Unsuited as error:
            raise ValueError(f'an image of {size} (height, width): {error}') from None

    def size(self, size: Size) -> Size:
        """Return the height and width of the scores of an image."""
        plan = self._planned(size)
        rows, columns = plan.axes[self.fast.program.outputs[self.output]]
        return rows.size, columns.size

    def scores(self, size: Size, tile: Tile, read: Read) -> torch.Tensor:
        """Return the scores of a tile, 1 x classes x h x w, float32."""
        with torch.inference_mode(False), torch.no_grad():
            plan = self.plan(size, tile)
            rows, columns = (axis.wanted for axis in next(iter(plan.inputs.values())))
            image = read(rows, columns).to(self.fast.net.device, torch.float32)
            inputs = {value: image.contiguous(memory_format=LAST) for value in plan.inputs}
            blanks = self.fast.blanks_of(size, inputs)
            scores = self.fast.program.outputs[self.output]
            values = Execution(plan, self.fast.operators, blanks, None, {scores}).run(inputs)
            return values[scores].float().contiguous()

    def joined(self, image: torch.Tensor, side: Size) -> torch.Tensor:
        """Return the scores of images, N x C x H x W, put together from tiles of at most a side."""
        size = image.shape[2], image.shape[3]
        high, wide = self.size(size)
        whole = torch.empty(len(image), self.channels[self.fast.program.outputs[self.output]],
                            high, wide, device=self.fast.net.device)
        for tile in tiles_of((high, wide), side):
            rows, columns = (slice(*part) for part in (tile.rows, tile.columns))
            whole[:, :, rows, columns] = self.scores(
                size, tile, lambda y, x: image[:, :, slice(*y), slice(*x)])
        return whole

    # -- what it takes ---------------------------------------------------------------------------

    def memory(self, size: Size, tile: Tile) -> int:
        """Estimate the bytes that a tile takes at most beside the weights."""
        plan, most = self.plan(size, tile), 0
        held = {v: self._bytes(v, [a.wanted.size for a in axes]) for v, axes in plan.inputs.items()}
        for placed in plan.operations:
            for value in placed.operation.values:
                held[value] = self._bytes(value, [s.size for s in placed.wanted])
            working = held[placed.value] + sum(
                self._bytes(v, [s.size for s in placed.work.reads_of(i)])
                for i, v in enumerate(placed.operation.inputs))
            if placed.operation.pool is not None:      # the maxima are of four times as many
                working += 4 * held[placed.value]
            most = max(most, sum(held.values()) + int(WORKING * working))
            for value in placed.operation.inputs:
                if plan.last_reader[value] is placed:
                    held.pop(value, None)
        return most

    def _bytes(self, value: int, sizes: list[int]) -> int:
        return FLOAT * self.channels[value] * prod(sizes)

    def largest(self, size: Size, memory: int) -> Size:
        """Return the largest tile, square where the image is large enough, that takes no more than
        so many bytes; ValueError where the smallest takes more.
        """
        whole = tuple(min(n, ceil(max(size) / STEP) * STEP) for n in size)
        sides = range(STEP, ceil(max(size) / STEP) * STEP + 1, STEP)
        low, high = 0, len(sides)
        while low < high:                              # the first side that takes too much
            middle = (low + high) // 2
            if self.memory(size, self._middle(size, sides[middle])) <= memory:
                low = middle + 1
            else:
                high = middle
        if not low:
            least = self.memory(size, self._middle(size, STEP)) / 1e9
            raise ValueError(f'a tile of {STEP}x{STEP}, the smallest, takes about {least:.2f} GB; '
                             f'there are {max(0, memory) / 1e9:.2f} GB for it')
        return min(whole[0], sides[low - 1]), min(whole[1], sides[low - 1])

    @staticmethod
    def _middle(size: Size, side: int) -> Tile:
        """Return a tile amidst the image, where its reach is not cut."""
        first = [max(0, (n - side) // 2) for n in size]
        rows, columns = (Interval(f, min(n, f + side)) for f, n in zip(first, size, strict=True))
        return Tile(rows, columns)

    def overlap(self, size: Size, tile: Size) -> float:
        """Return the multiplications of all tiles over those of the whole image, less 1."""
        whole = self._planned(size).share
        shares = [self.plan(size, one).share for one in tiles_of(self.size(size), tile)]
        return sum(shares) / whole - 1
