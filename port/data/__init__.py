"""The datasets: data layers under their published names, class lists, palettes and means.

`BUILTIN` resolves the module names that published prototxts write (`module: "voc_layers"`).
"""

import importlib
from types import ModuleType

BUILTIN = {
    'voc_layers': 'port.data.voc',
    'nyud_layers': 'port.data.nyud',
    'siftflow_layers': 'port.data.siftflow',
    'pascalcontext_layers': 'port.data.pascalcontext',
    'camvid_layers': 'port.data.camvid',
    'folder_layers': 'port.data.folder',
}


def builtin_module(name: str) -> ModuleType:
    """Import the module that answers to a published module name."""
    if name not in BUILTIN:
        raise KeyError(f"no built-in data layers are called '{name}'; known: {', '.join(BUILTIN)}")
    return importlib.import_module(BUILTIN[name])
