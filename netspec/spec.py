"""The generator language, with the surface of pycaffe's caffe.net_spec.

A layer call makes a Function of the Tops it reads; its keywords are fields of the layer's own
parameter message or of LayerParameter, so that the message definition is the only registry.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from google.protobuf.message import Message

from netspec.layer_types import LAYER_TYPES
from netspec.schema import messages
from netspec.schema.messages import LayerParameter, NetParameter


class UnknownNameError(AttributeError, KeyError):
    """A field, constant or top that does not exist; pycaffe raises one or the other."""

    __str__ = Exception.__str__


def unknown(what: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Make the error for `name`: the closest known names, or all of them where few exist."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    listed = ', '.join(known) if len(known) <= 40 else f'{len(known)} names'
    hint = f'did you mean {close[0]!r}?' if close else f'known: {listed or "none yet"}'
    return UnknownNameError(f'{what} {name!r}; {hint}')


def param_name_dict() -> dict[str, str]:
    """Map each layer type to its parameter's name without `_param`: InnerProduct, inner_product.

    Messages that belong to no layer type (Transformation, Loss) are in it too.
    """
    fields = LayerParameter.DESCRIPTOR.fields
    return {field.message_type.name.removesuffix('Parameter'): field.name.removesuffix('_param')
            for field in fields if field.message_type and field.name.endswith('_param')}


_param_names = param_name_dict() | {
    name: row.options for name, row in LAYER_TYPES.items() if row.options}


def assign_proto(proto: Message, name: str, val: Any) -> None:
    """Set field `name` of a message from plain Python values.

    A list (or tuple) fills a repeated field, a dict fills a message, anything else is assigned;
    a single value for a repeated field is a list of one.
    """
    fields = proto.DESCRIPTOR.fields_by_name
    if name not in fields:
        raise unknown(f'{proto.DESCRIPTOR.name} has no field', name, fields)
    repeated = hasattr(getattr(proto, name), 'extend')
    values = val if repeated and isinstance(val, (list, tuple)) else [val]
    for value in values:
        try:
            _assign_one(proto, fields[name], value, repeated)
        except (TypeError, ValueError) as error:
            what = f'{proto.DESCRIPTOR.name}.{name} is given {value!r}'
            raise type(error)(f'{what}: {error}') from None


def _assign_one(proto: Message, field: Any, value: Any, repeated: bool) -> None:
    if field.message_type is None:
        if repeated:
            getattr(proto, field.name).append(value)
        else:
            setattr(proto, field.name, value)
        return
    if not isinstance(value, (dict, Message)):
        raise TypeError(f'expected a dict of the fields of {field.message_type.name}')
    message = getattr(proto, field.name).add() if repeated else getattr(proto, field.name)
    if isinstance(value, Message):
        message.CopyFrom(value)
    else:
        for key, inner in value.items():
            assign_proto(message, key, inner)


class Top:
    """One output blob: the `n`-th of the layer that makes it."""

    def __init__(self, fn: 'Function', n: int) -> None:
        self.fn = fn
        self.n = n
        self.name = ''  # the last that a NetSpec gave it, for messages only

    def __repr__(self) -> str:
        return f'{self.name!r} ({self.fn.type_name})' if self.name else self.fn.type_name

    def to_proto(self) -> NetParameter:
        """Return the net of every layer that this top needs."""
        return to_proto(self)


class Function:
    """One layer: its type, the Tops it reads, its parameters, the Tops it makes."""

    def __init__(self, type_name: str, inputs: tuple[Top, ...], params: dict[str, Any]) -> None:
        for index, top in enumerate(inputs):
            if not isinstance(top, Top):
                raise TypeError(f'{type_name} input {index} is not a Top (type is {type(top)})')
        self.type_name = type_name
        self.inputs = inputs
        self.params = dict(params)
        self.ntop = self.params.pop('ntop', 1)
        self.in_place = self.params.pop('in_place', False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))
        self.name = ''

    @property
    def fn(self) -> 'Function':
        """Itself, so that a layer without tops stands in a NetSpec as a Top does."""
        return self

    def to_proto(self) -> NetParameter:
        """Return the net of this layer and every layer that it needs."""
        return to_proto(self)

    def layer(self, bottoms: list[str], tops: list[str], name: str) -> LayerParameter:
        """Return the layer's message with these bottoms, tops and name, and our parameters."""
        layer = LayerParameter(type=self.type_name, bottom=bottoms, top=tops, name=name)
        for key, val in self.params.items():
            try:
                assign_proto(self._owner(layer, key), key, val)
            except (TypeError, ValueError, UnknownNameError) as error:
                raise type(error)(f'{self.type_name} layer {name!r}: {error}') from None
        return layer

    def _owner(self, layer: LayerParameter, key: str) -> Message:
        """Return the message that has the field `key`: the type's own comes first."""
        owners: list[Message] = [layer]
        if self.type_name in _param_names and not key.endswith('param'):
            owners.insert(0, getattr(layer, _param_names[self.type_name] + '_param'))
        for owner in owners:
            if key in owner.DESCRIPTOR.fields_by_name:
                return owner
        raise unknown('there is no parameter', key,
                      {name for owner in owners for name in owner.DESCRIPTOR.fields_by_name})


class _Names:
    """Names of tops and layers: those that were given, and Type1, Type2… for the others."""

    def __init__(self, given: dict[Top | Function, str]) -> None:
        self.given = dict(given)
        self.counts: Counter[str] = Counter()

    def __getitem__(self, thing: Top | Function) -> str:
        if thing not in self.given:
            self.given[thing] = self._automatic(thing)
        return self.given[thing]

    def _automatic(self, thing: Top | Function) -> str:
        if isinstance(thing, Function) and thing.tops:
            return self[thing.tops[0]]
        self.counts[thing.fn.type_name] += 1
        return f'{thing.fn.type_name}{self.counts[thing.fn.type_name]}'


def needed(fn: Function, done: dict[Function, Any]) -> Iterator[Function]:
    """Yield the layers that `fn` needs and `done` lacks, inputs first; the caller fills `done`."""
    stack = [fn]
    while stack:
        fn = stack[-1]
        waiting = next((top.fn for top in fn.inputs if top.fn not in done), None)
        if waiting is not None:
            stack.append(waiting)
            continue
        stack.pop()
        if fn not in done:
            yield fn


def _net(outputs: Iterable[Top | Function], given: dict[Top | Function, str]) -> NetParameter:
    names = _Names(given)
    done: dict[Function, LayerParameter] = {}
    for output in outputs:
        for fn in needed(output.fn, done):
            bottoms = [done[top.fn].top[top.n] for top in fn.inputs]
            tops = bottoms if fn.in_place else [names[top] for top in fn.tops]
            done[fn] = fn.layer(bottoms, tops, names[fn])
    return NetParameter(layer=done.values())


def to_proto(*tops: Top | Function) -> NetParameter:
    """Return the net of every layer that the tops need, with automatic names."""
    return _net(tops, {})


class NetSpec:
    """Named tops: `n.conv1 = L.Convolution(n.data, …)`, or `n['conv1']`; to_proto() writes them.

    A name stands for a Top, or for a Function where the layer makes none (Silence).
    """

    tops: dict[str, Top | Function]

    def __init__(self) -> None:
        super().__setattr__('tops', {})

    def __setattr__(self, name: str, value: Top | Function) -> None:
        if not isinstance(value, (Top, Function)):
            raise TypeError(f'{name} is set to {type(value)}, not to a Top; '
                            'a layer of several tops is unpacked: n.data, n.label = L.Data(ntop=2)')
        self.tops[name] = value
        value.name = name

    def __getattr__(self, name: str) -> Any:
        tops = self.__dict__.get('tops', {})
        if name not in tops:
            raise unknown('the net has no top', name, tops)
        return tops[name]

    def __setitem__(self, name: str, value: Top | Function) -> None:
        self.__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)

    def to_proto(self) -> NetParameter:
        """Return the net of the assigned tops, in the order of assignment."""
        return _net(self.tops.values(), {top: name for name, top in self.tops.items()})


class Layers:
    """The pseudo-module L: any attribute is a layer type, `L.Convolution(bottom, …)`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)

        def layer_fn(*inputs: Top, **params: Any) -> Top | Function | tuple[Top, ...]:
            fn = Function(name, inputs, params)
            if fn.ntop == 0:
                return fn
            return fn.tops[0] if fn.ntop == 1 else fn.tops
        return layer_fn


class _Constants:
    """The constants of one parameter message."""

    def __init__(self, name: str) -> None:
        self._message = f'{name}Parameter'

    def __getattr__(self, name: str) -> Any:
        message = getattr(messages, self._message)
        if name.startswith('__') or not hasattr(message, name):
            raise unknown(f'{self._message} has no constant', name,
                          message.DESCRIPTOR.enum_values_by_name)
        return getattr(message, name)


class Parameters:
    """The pseudo-module P: constants of parameter messages, `P.Pooling.MAX`."""

    def __getattr__(self, name: str) -> _Constants:
        if name.startswith('__') or not hasattr(messages, f'{name}Parameter'):
            known = (m.removesuffix('Parameter') for m in messages.__all__
                     if m.endswith('Parameter'))
            raise unknown('no parameter message is named', name, known)
        return _Constants(name)


layers = Layers()
params = Parameters()
