"""Connect the layers of a net and find out which of them need a backward pass (Net::Init)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from types import TracebackType

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.memory import check_memory
from port.engine.net_rules import Entry
from port.engine.params import ParamTable
from port.engine.registry import create

AUTOMATIC = '(automatic)'               # the name of a loss's top that the file does not name
CROPS = 32                              # how far from a crop that is refused another is looked for
LONE_VIEWS = ('Concat', 'Slice')         # with one bottom and one top they share memory, too


@dataclass
class Node:
    """A layer, the blobs that it reads and makes, and which bottoms its backward pass must fill."""

    entry: Entry
    layer: Layer
    bottom: list[Blob] = field(default_factory=list)
    top: list[Blob] = field(default_factory=list)
    propagate_down: list[bool] = field(default_factory=list)
    shared: list[Blob] = field(default_factory=list)   # tops in place on another blob's memory
    need_backward: bool = False
    shapes: tuple | None = None        # the bottoms' shapes at the last reshape

    @property
    def name(self) -> str:
        return self.entry.param.name

    def fit(self) -> None:
        """Give the tops their shapes anew if the bottoms changed theirs."""
        shapes = tuple([b.shape for b in self.bottom])
        if self.layer.always_reshape or shapes != self.shapes:
            self.shapes = None                   # reshape again after one that was refused
            self.layer.reshape(self.bottom, self.top)
            self.shapes = shapes


class located:
    """Put a layer's place before the text of any error inside, keeping the error's type.

    Blobs are named as in the net's file, without what automatic Splits add.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        label = self.entry.label
        if isinstance(error, IndexError) and self.entry.param.type != 'Python':
            raise ValueError(f'{label}: a bottom has fewer axes or values than the layer reads '
                             f'({error})') from error
        if isinstance(error, (ValueError, KeyError, FileNotFoundError, TypeError)):
            text = str(error.args[0]) if len(error.args) == 1 else str(error)
            for name, plain in self.entry.plain.items():
                text = text.replace(name, plain)
            if not text.startswith(label) and type(error) in (ValueError, KeyError, TypeError):
                error.args = (f'{label}: {text}',)
            else:
                if len(error.args) == 1:
                    error.args = (text,)
                if label not in text:
                    error.add_note(label)


def crop_to_blame(nodes: Sequence[Node], refused: Node | None) -> str:
    """Say to which size a data layer should crop, where the bottoms of a layer that was refused
    have several sizes, and would meet had the images another; '' where that is not so.

    nodes: those before it. Their shapes are not what they were after this.
    """
    sizes = dict.fromkeys(blob.shape[2:] for blob in refused.bottom) if refused else {}
    if refused is None or len(sizes) < 2:
        return ''
    for data in nodes:
        size = data.entry.param.transform_param.crop_size
        found = _nearest(data, [*nodes, refused], size) if size and not data.bottom else size
        if found != size:
            said = ' and '.join(' x '.join(map(str, shape)) for shape in sizes)
            return (f'{data.entry.label}: crop_size {size} does not suit the strides of the net, '
                    f'{found} does; bottoms of {said} do not go together in {refused.entry.label}')
    return ''


def _nearest(data: Node, nodes: Sequence[Node], size: int) -> int:
    """Return the crop nearest to a size that all layers take; the size itself where none is."""
    around = sorted(range(max(1, size - CROPS), size + CROPS + 1),
                    key=lambda other: (abs(other - size), -other))
    return next((other for other in around if _meet(data, nodes, other)), size)


def _meet(data: Node, nodes: Sequence[Node], other: int) -> bool:
    """Tell whether the layers take images of another size."""
    for blob in data.top:
        if len(blob.shape) == 4 and blob.shape[2:] != (1, 2):       # (1, 2): of data_dim
            blob.reshape(*blob.shape[:2], other, other)
    try:
        for node in nodes:
            if node.bottom:
                node.layer.reshape(node.bottom, node.top)
    except (ValueError, IndexError):
        return False
    return True


class Wiring:
    """The nodes, blobs and parameters of a net, made layer by layer."""

    def __init__(self, phase: int, dtype: torch.dtype, device: torch.device,
                 log: Callable[..., None]) -> None:
        self.phase, self.dtype, self.device, self.log = phase, dtype, device, log
        self.nodes: list[Node] = []
        self._last: Node | None = None            # the one that was connected last
        self.blobs: dict[str, Blob] = {}
        self.hidden: dict[str, str] = {}          # blobs of automatic splits -> what they split
        self.inputs: list[str] = []
        self.params = ParamTable()
        self._values = 0                          # in all tops so far, as Caffe counts them
        self._own = 0                             # in tops with memory of their own, parameters
        self._available: dict[str, None] = {}
        self._wants_diff: dict[int, bool] = {}   # by id of the blob
        self._views: set[int] = set()            # ids of the blobs on another's memory

    def add(self, entry: Entry) -> None:
        """Make a layer, connect it, set it up and take in its parameters.

        Raises ValueError, KeyError that name the layer; or the data layer, where its crop is what
        no layer would have refused.
        """
        self._last = None
        try:
            self._add(entry)
        except ValueError as error:
            said = crop_to_blame(self.nodes, self._last)
            if said:
                raise ValueError(said) from error
            raise

    def _add(self, entry: Entry) -> None:
        with located(entry):
            param = entry.param
            if not param.HasField('phase'):
                param.phase = self.phase
            if param.propagate_down and len(param.propagate_down) != len(param.bottom):
                raise ValueError(f'propagate_down is given {len(param.propagate_down)} time(s) '
                                 f'for {len(param.bottom)} bottom(s); expected one for each, '
                                 'or none')
            self.log('Creating Layer %s', param.name)
            node = Node(entry, create(param, param.phase))
            node.layer.dtype, node.layer.device = self.dtype, self.device
            rates = [spec.lr_mult for spec in param.param]  # before BatchNorm adds
            self._connect(node)
            self._last = node
            self._set_up(node)
            self.params.add(entry, node.layer)
            self._mark(node, rates)
        self.nodes.append(node)

    def _blob(self, name: str) -> Blob:
        return Blob(name, (), self.dtype, self.device)

    def _connect(self, node: Node) -> None:
        param = node.entry.param
        for name in param.bottom:
            self.log('%s <- %s', param.name, name)
            node.bottom.append(self.blobs[name])
            self._available.pop(name, None)
        for i, name in enumerate(param.top):
            in_place = i < len(param.bottom) and param.bottom[i] == name
            self.log('%s -> %s%s', param.name, name, ' (in-place)' if in_place else '')
            if not in_place:
                self.blobs[name] = self._blob(name)
                if node.entry.auto_split:
                    self.hidden[name] = param.bottom[0]
            node.top.append(self.blobs[name])
            self._available[name] = None
            if param.type == 'Input':
                self.inputs.append(name)
        row = node.layer.facts
        if row.auto_top:
            missing = row.tops[0] - len(node.top)
            node.top.extend(self._blob(AUTOMATIC) for _ in range(missing))
        if self._is_view(node):
            self._views.update(id(blob) for blob in node.top)
        node.shared = [blob for blob in node.top if id(blob) in self._views
                       and any(blob is read for read in node.bottom)]

    def _set_up(self, node: Node) -> None:
        layer = node.layer
        layer.check_arity(len(node.bottom), len(node.top))
        layer.setup(node.bottom, node.top)
        before = [blob.shape for blob in node.bottom]
        layer.reshape(node.bottom, node.top)
        for blob, shape in zip(node.bottom, before, strict=True):
            # MVN gives a blob of three axes a fourth, in place too, and Caffe takes that.
            if blob.count != prod(shape) and node.entry.param.type != 'Python':
                raise ValueError(f'works in place on {blob.name!r} but makes another size of it, '
                                 f'{list(blob.shape)} from {list(shape)}; give its top a name of '
                                 'its own')
        node.shapes = tuple(b.shape for b in node.bottom)
        layer.set_loss_weights(node.top)
        self.log('Setting up %s', node.name)
        for blob, weight in zip(node.top, layer.loss_weights, strict=True):
            self.log('Top shape: %s(%d)', ''.join(f'{n} ' for n in blob.shape), blob.count)
            if weight:
                self.log('    with loss weight %g', weight)
            self._values += blob.count
        self.log('Memory required for data: %d', 4 * self._values)
        own = () if self._is_view(node) else (b for b in node.top if b not in node.bottom)
        self._own += sum(blob.count for blob in (*own, *layer.blobs))
        check_memory(4 * self._own, 'the net up to here', self.device.type)

    def _mark(self, node: Node, rates: list[float]) -> None:
        """Decide whether the layer needs a backward pass, by whether anything below it wants a
        gradient.
        """
        param, layer = node.entry.param, node.layer
        wanted = [self._wants_diff.get(id(b), False) for b in node.bottom]
        node.propagate_down = list(param.propagate_down) or wanted
        layer.param_propagate_down = [
            i >= len(rates) or rates[i] != 0 for i in range(len(layer.blobs))]
        node.need_backward = any(wanted) or any(layer.param_propagate_down)
        if node.need_backward:
            self._wants_diff.update((id(b), True) for b in node.top)

    def finish(self, force_backward: bool) -> list[str]:
        """Drop the backward passes that no loss asks for; return the outputs' names, sorted, as
        Caffe has them: an output that is a loss as well as read is a Split's first top.
        """
        under_loss: set[int] = set()
        skipped: set[int] = set()
        for node in reversed(self.nodes):
            self._prune(node, under_loss, skipped)
        if force_backward:
            for node in self.nodes:
                node.need_backward = True
                node.propagate_down = [
                    asked or node.layer.allow_force_backward(i)
                    for i, asked in enumerate(node.propagate_down)]
                node.layer.param_propagate_down = [True] * len(node.layer.blobs)
        self._find_overwritten()
        return sorted(self._available)

    @staticmethod
    def _is_view(node: Node) -> bool:
        """Whether the tops share the bottom's memory (see LONE_VIEWS)."""
        alone = len(node.bottom) == len(node.top) == 1
        return node.layer.facts.shares_memory or (alone and node.entry.param.type in LONE_VIEWS)

    def _find_overwritten(self) -> None:
        """Tell the layers whose bottom a later layer, in place on a view of it, writes into."""
        memory: dict[int, int] = {}                # by id of the blob: of the one that owns it
        for node in self.nodes:
            if self._is_view(node):
                owner = memory.get(id(node.bottom[0]), id(node.bottom[0]))
                memory.update((id(blob), owner) for blob in node.top)
        written: set[int] = set()
        for node in reversed(self.nodes):
            here = [memory.get(id(blob), id(blob)) for blob in node.bottom]
            in_place = {id(blob) for blob in node.top}.intersection(map(id, node.bottom))
            node.layer.overwritten = bool(here) and not in_place and here[0] in written
            written.update(memory.get(blob, blob) for blob in in_place)

    def _prune(self, node: Node, under_loss: set[int], skipped: set[int]) -> None:
        weights = node.layer.loss_weights
        contributes = any(weight or id(blob) in under_loss
                          for blob, weight in zip(node.top, weights, strict=True))
        if node.need_backward and all(id(blob) in skipped for blob in node.top):
            node.need_backward = False
            node.propagate_down = [False] * len(node.bottom)
        if not contributes:
            node.need_backward = False
            node.propagate_down = [False] * len(node.bottom)
        else:
            under_loss.update(id(blob) for blob in node.bottom)
        skipped.update(id(blob) for blob, asked in zip(node.bottom, node.propagate_down,
                                                       strict=True) if not asked)
        self.log('%s %s backward computation.', node.name,
                 'needs' if node.need_backward else 'does not need')
