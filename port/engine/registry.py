"""Layer types by the name a prototxt uses (Caffe's layer factory).

A file in port/layers/ that decorates a class with @layer('Type') is found by itself. The engine
names that folder by a string, so that it stands below the layers and imports none of them.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from netspec.layer_types import LAYER_TYPES, layer_type
from netspec.schema.messages import LayerParameter

if TYPE_CHECKING:
    from port.engine.layer import Layer

LAYERS = 'port.layers'
_TYPES: dict[str, type['Layer']] = {}
L = TypeVar('L', bound='Layer')


def layer(type_name: str) -> Callable[[type[L]], type[L]]:
    """Register the decorated class under its Caffe type name, beside its row in
    netspec.layer_types.

    Raises ValueError for a name that is taken or has no row.
    """
    def register(cls: type[L]) -> type[L]:
        if type_name in _TYPES:
            raise ValueError(f'layer type {type_name!r} is registered twice: by '
                             f'{_TYPES[type_name].__module__} and by {cls.__module__}')
        if type_name not in LAYER_TYPES:
            raise ValueError(f'layer type {type_name!r} ({cls.__module__}) has no row: enter it in '
                             'LAYER_TYPES of netspec/layer_types.py')
        _TYPES[type_name] = cls
        cls.type, cls.facts = type_name, LAYER_TYPES[type_name]
        return cls
    return register


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(importlib.import_module(LAYERS).__path__):
        importlib.import_module(f'{LAYERS}.{module.name}')


def known_types() -> list[str]:
    """Return the registered type names, sorted."""
    _load()
    return sorted(_TYPES)


def layer_class(type_name: str) -> type['Layer']:
    """Return the class of a type name; KeyError with the closest known name if there is none."""
    _load()
    layer_type(type_name)
    if type_name not in _TYPES:
        raise KeyError(f'layer type {type_name!r} has a row in netspec/layer_types.py but no file '
                       'in port/layers: nets that have it can be read, not run')
    return _TYPES[type_name]


def create(param: LayerParameter, phase: int) -> 'Layer':
    """Make the layer that a LayerParameter names; KeyError if its type is unknown."""
    return layer_class(param.type)(param, phase)
