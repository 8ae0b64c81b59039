"""Python: a layer that a Python class defines (include/caffe/layers/python_layer.hpp)."""

import difflib
import importlib
import importlib.util
import inspect
import logging
from types import ModuleType
from typing import Any

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.net_policy import POLICY
from port.engine.python_layer import BlobVec, PythonLayer
from port.engine.registry import layer

log = logging.getLogger('port.python_layer')

# The modules that published prototxts name (`module: "voc_layers"`), and where ours lie.
BUILTIN = {
    'voc_layers': 'port.data.voc',
    'nyud_layers': 'port.data.nyud',
    'siftflow_layers': 'port.data.siftflow',
    'pascalcontext_layers': 'port.data.pascalcontext',
    'camvid_layers': 'port.data.camvid',
    'cityscapes_layers': 'port.data.cityscapes',
    'folder_layers': 'port.data.folder',
}


class NoLayerModule(ModuleNotFoundError, ValueError):
    """The module of a Python layer is not there (pycaffe: ImportError)."""


class NoLayerClass(AttributeError, ValueError):
    """The module of a Python layer has no such class (pycaffe: AttributeError)."""


@layer('Python')
class Python(Layer):
    """python_param { module layer param_str }: an instance of module.layer takes each step.

    `instance` is the user's object; it gets the blobs as numpy arrays. Its exceptions keep
    their type and gain a note that names the layer. share_in_parallel changes nothing here:
    each process has its own instance.
    """

    always_reshape = True

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.python_param
        self.label = f'{given.module}.{given.layer}'
        self.instance: PythonLayer = self._call(self._create)
        self.instance.param_str, self.instance.phase = given.param_str, self.phase
        self.blobs.extend(getattr(self.instance, 'blobs', BlobVec()).held)
        self.instance.blobs = BlobVec(self.blobs, self.dtype, self.device)
        self._call(self.instance.setup, with_arrays(bottom), with_arrays(top))

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self._call(self.instance.reshape, with_arrays(bottom), with_arrays(top))

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        self._call(self.instance.forward, with_arrays(bottom), with_arrays(top))

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self._call(self.instance.backward, with_arrays(top), list(propagate_down),
                   with_arrays(bottom))

    def state(self) -> Any:
        """Return what the instance's `state` tells for a snapshot, None where it has none."""
        return self.instance.state() if hasattr(self.instance, 'state') else None

    def restore(self, state: Any) -> None:
        """Hand a snapshot's state to the instance; None changes nothing."""
        if state is None:
            return
        if not hasattr(self.instance, 'restore'):
            raise ValueError(f'the snapshot holds a state for {self.label}, which defines no '
                             'restore(self, state)')
        self._call(self.instance.restore, state)

    def take_share(self, rank: int, ranks: int) -> None:
        """Have the instance make one pass of so many; ValueError where it does not know how."""
        if not hasattr(self.instance, 'take_share'):
            raise ValueError(f'{self.label} defines no take_share(self, rank, ranks), so that '
                             f'{ranks} ranks would all read the same')
        self._call(self.instance.take_share, rank, ranks)

    @property
    def skip(self) -> Any:
        """What has the instance go on by so many passes; None where it does not know how."""
        return getattr(self.instance, 'skip', None)

    def _create(self) -> PythonLayer:
        return find_class(self.param.python_param.module,
                          self.param.python_param.layer)(self.param)

    def _call(self, step: Any, *args: Any) -> Any:
        try:
            return step(*args)
        except Exception as error:
            given = self.param.python_param.param_str
            error.add_note(f'in {step.__name__.strip("_")} of Python layer {self.name!r} '
                           f'({self.label})' + (f', param_str {given!r}' if given else ''))
            raise


def with_arrays(blobs: list[Blob]) -> list:
    """Return the blobs as a Python layer sees them: with numpy arrays."""
    return [blob.face() for blob in blobs]


def find_class(module_name: str, class_name: str) -> type[PythonLayer]:
    """Return the layer class that python_param names; ValueError where it cannot be had."""
    for key, value in (('module', module_name), ('layer', class_name)):
        if not value:
            raise ValueError(f'python_param lacks `{key}`; expected the '
                             f'{"file without .py" if key == "module" else "class in the module"}')
    module = find_module(module_name)
    log.info('Python layer %s.%s of %s', module_name, class_name,
             getattr(module, '__file__', None) or 'a built-in module')
    found = getattr(module, class_name, None)
    if inspect.isclass(found) and issubclass(found, PythonLayer):
        return found
    where = f'module {module_name!r} ({getattr(module, "__file__", None) or "built in"})'
    if found is not None:
        raise ValueError(f'{class_name!r} in {where} is no Python layer; expected a class derived '
                         'from caffe.Layer (port.python_layer.PythonLayer)')
    known = sorted(name for name, value in vars(module).items()
                   if inspect.isclass(value) and issubclass(value, PythonLayer)
                   and value is not PythonLayer)
    close = difflib.get_close_matches(class_name, known, 1)
    raise NoLayerClass(f'no class {class_name!r} in {where}'
                       + (f'; did you mean {close[0]!r}?' if close else '')
                       + f' Its Python layers: {", ".join(known) or "none"}')


def find_module(name: str) -> ModuleType:
    """Import a module by its name, else one of ours published under it; ValueError if neither.

    Where a net is only looked at, ours come first, and others must have been allowed.
    """
    if POLICY.looking and name in BUILTIN and name not in (POLICY.modules or ()):
        return builtin_module(name)
    POLICY.check_module(name)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == 'caffe' and importlib.util.find_spec('caffe') is None:
            # Layers written for pycaffe begin with `import caffe`: let ours answer.
            importlib.import_module('port.pycaffe.alias').answer()
            return find_module(name)
        if error.name != name and not name.startswith(f'{error.name}.'):
            raise
        if name in BUILTIN:
            return builtin_module(name)
        close = difflib.get_close_matches(name, BUILTIN, 1)
        hint = f'; did you mean {close[0]!r}?' if close else ''
        raise NoLayerModule(
            f'no Python module {name!r}{hint} Put the folder of {name}.py on PYTHONPATH, or use '
            f'one of those that come along: {", ".join(sorted(BUILTIN))}') from None


def builtin_module(name: str) -> ModuleType:
    """Import our module that answers to a published module name; KeyError if none does."""
    if name not in BUILTIN:
        raise KeyError(f"no built-in data layers are called '{name}'; known: {', '.join(BUILTIN)}")
    return importlib.import_module(BUILTIN[name])
