"""caffe.net_spec: the generator language of netspec.spec."""

from netspec.spec import (
    Function,
    Layers,
    NetSpec,
    Parameters,
    Top,
    assign_proto,
    layers,
    param_name_dict,
    params,
    to_proto,
)

__all__ = ['Function', 'Layers', 'NetSpec', 'Parameters', 'Top', 'assign_proto', 'layers',
           'param_name_dict', 'params', 'to_proto']
