"""What Caffe does to a NetParameter before it builds the net: the phase, level and stage rules
(Net::FilterNet) and the Split layers behind a blob of several readers (insert_splits.cpp).

Every layer travels with `where`, its place in the file, for the errors that may follow.
"""

from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches

from netspec.schema.messages import (
    TEST,
    TRAIN,
    LayerParameter,
    NetParameter,
    NetState,
    NetStateRule,
)

PHASES = {TRAIN: 'TRAIN', TEST: 'TEST'}


@dataclass
class Entry:
    """One layer of a net: its message, its place (`file:line`), and whether we put it in.

    plain: what its file calls the bottoms that come out of an automatic Split.
    """

    param: LayerParameter
    where: str = ''
    auto_split: bool = False
    plain: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return 'file:line: layer 'name' (Type)'."""
        place = f'{self.where}: ' if self.where else ''
        return f'{place}layer {self.param.name!r} ({self.param.type})'


@dataclass
class _Readers:
    """The last maker of each blob name, and who reads each made blob."""

    maker: dict[str, tuple[int, int]] = field(default_factory=dict)
    source: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    count: Counter = field(default_factory=Counter)
    loss: dict[tuple[int, int], float] = field(default_factory=dict)


def meets(state: NetState, rule: NetStateRule) -> bool:
    """Whether a net's state meets an include or exclude rule (Net::StateMeetsRule)."""
    return not (
        (rule.HasField('phase') and rule.phase != state.phase)
        or (rule.HasField('min_level') and state.level < rule.min_level)
        or (rule.HasField('max_level') and state.level > rule.max_level)
        or any(stage not in state.stage for stage in rule.stage)
        or any(stage in state.stage for stage in rule.not_stage))


def filter_layers(net: NetParameter, entries: list[Entry]) -> list[Entry]:
    """Return the layers that the net's state lets in.

    Raises ValueError for a layer with both include and exclude rules.
    """
    kept = []
    for entry in entries:
        include, exclude = entry.param.include, entry.param.exclude
        if include and exclude:
            raise ValueError(f'{entry.label}: has both include and exclude rules; '
                             'expected one kind or none')
        if (any(meets(net.state, rule) for rule in include) if include
                else not any(meets(net.state, rule) for rule in exclude)):
            kept.append(entry)
    return kept


def _unknown_bottom(entries: list[Entry], index: int, name: str, made: list[str]) -> ValueError:
    """Say which bottom nobody makes, and whether it is made later or is misspelt."""
    later = [e for e in entries[index:] if name in e.param.top]
    if later:
        hint = (f'; it is made later, by {later[0].label}: the layers are out of order, '
                'or form a loop')
    else:
        close = get_close_matches(name, made, 1, 0.6)
        last = ', '.join(made[-8:]) or 'none'
        hint = f'; did you mean {close[0]!r}?' if close else f'; the last blobs before it: {last}'
    return ValueError(f'{entries[index].label}: Unknown bottom blob {name!r}: '
                      f'no layer before it makes it{hint}')


def _trace(entries: list[Entry]) -> _Readers:
    seen = _Readers()
    for i, entry in enumerate(entries):
        for j, name in enumerate(entry.param.bottom):
            if name not in seen.maker:
                raise _unknown_bottom(entries, i, name, list(seen.maker))
            seen.source[i, j] = seen.maker[name]
            seen.count[seen.maker[name]] += 1
        for j, name in enumerate(entry.param.top):
            if name in seen.maker and (j >= len(entry.param.bottom)
                                       or entry.param.bottom[j] != name):
                first = entries[seen.maker[name][0]].label
                raise ValueError(f'{entry.label}: Top blob {name!r} produced by multiple sources, '
                                 f'first by {first}; give one of them another name')
            seen.maker[name] = i, j
        for j, weight in enumerate(entry.param.loss_weight[:len(entry.param.top)]):
            seen.loss[i, j] = weight
            seen.count[i, j] += bool(weight)
    return seen


def _split(entry: Entry, index: int, count: int, weight: float) -> Entry:
    """Return the Split layer behind top `index`, named as Caffe names it."""
    blob = entry.param.top[index]
    stem = f'{blob}_{entry.param.name}_{index}_split'
    param = LayerParameter(name=stem, type='Split', bottom=[blob],
                           top=[f'{stem}_{k}' for k in range(count)])
    if weight:
        param.loss_weight.extend([weight] + [0.0] * (count - 1))
    return Entry(param, entry.where, auto_split=True)


def _refuse_shared_in_place(entry: Entry, index: int) -> None:
    param = entry.param
    if index < len(param.top) and param.top[index] == param.bottom[index]:
        raise ValueError(f'{entry.label}: works in place on {param.bottom[index]!r}, which is '
                         'read or weighted as a loss elsewhere too; give its top a name of its own')


def insert_splits(entries: list[Entry]) -> list[Entry]:
    """Put a Split behind every blob that several layers read, so that gradients add up.

    Raises ValueError for a bottom that nobody makes, a top made twice, and a layer in place on
    what another reads.
    """
    seen, result = _trace(entries), []
    used: Counter[tuple[int, int]] = Counter()
    for i, entry in enumerate(entries):
        param = LayerParameter()
        param.CopyFrom(entry.param)
        plain: dict[str, str] = {}
        for j in range(len(param.bottom)):
            source = seen.source[i, j]
            if seen.count[source] > 1:
                _refuse_shared_in_place(entry, j)
                maker, index = source
                stem = f'{param.bottom[j]}_{entries[maker].param.name}_{index}_split'
                plain[f'{stem}_{used[source]}'] = param.bottom[j]
                param.bottom[j] = f'{stem}_{used[source]}'
                used[source] += 1
        result.append(Entry(param, entry.where, plain=plain))
        for j in range(len(param.top)):
            count, weight = seen.count[i, j], seen.loss.get((i, j), 0.0)
            if count > 1:
                result.append(_split(Entry(param, entry.where), j, count, weight))
                if weight:
                    del param.loss_weight[:]
                    used[i, j] += 1
    return result
