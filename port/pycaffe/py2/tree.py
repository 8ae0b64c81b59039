"""What Python 2 means, on the syntax tree: division, lists from dicts, the order in which dict(...)
shows its keys, modules, numpy's aliases.
"""

import ast
import importlib.util
from types import CodeType

from port.pycaffe.py2.names import MEMBERS, MODULES, NUMPY_ALIASES
from port.pycaffe.py2.syntax import modernise

_LISTS = {'keys', 'values', 'items'}
_VIEWS = {'iterkeys': 'keys', 'itervalues': 'values', 'iteritems': 'items',
          'viewkeys': 'keys', 'viewvalues': 'values', 'viewitems': 'items'}
_METHODS = {'next': '__next__', '__nonzero__': '__bool__'}


def convert(data: bytes, path: str) -> CodeType:
    """Compile Python 2 source for Python 3; SyntaxError names the file and its own line."""
    try:
        source = importlib.util.decode_source(data)
    except (UnicodeDecodeError, SyntaxError):
        source = data.decode('latin-1')
    tree = ast.parse(modernise(source), path)
    whole = not any(isinstance(node, ast.ImportFrom) and node.module == '__future__'
                    and any(name.name == 'division' for name in node.names)
                    for node in tree.body)
    tree = _Meaning(whole).visit(tree)
    return compile(ast.fix_missing_locations(tree), path, 'exec', dont_inherit=True)


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


class _Meaning(ast.NodeTransformer):
    """whole: `/` between integers rounds down (no `from __future__ import division`)."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if not (self.whole and isinstance(node.op, ast.Div)):
            return node
        return ast.copy_location(_call('__py2_div__', node.left, node.right), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        if not (self.whole and isinstance(node.op, ast.Div)):
            return node
        read = ast.parse(ast.unparse(node.target), mode='eval').body
        new = ast.Assign([node.target], _call('__py2_idiv__', read, node.value))
        return ast.copy_location(new, node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == 'dict':
            node.func.id = '__py2_dict__'
        if not isinstance(node.func, ast.Attribute):
            return node
        name, bare = node.func.attr, not node.args and not node.keywords
        new: ast.expr = node
        if bare and name in _LISTS:
            new = _call('list', node)
        elif bare and name in _VIEWS:
            node.func.attr = _VIEWS[name]
            new = _call('iter', node) if name.startswith('iter') else node
        elif bare and name == 'next':
            new = _call('__py2_next__', node.func.value)
        elif name == 'has_key' and len(node.args) == 1:
            new = ast.Compare(node.args[0], [ast.In()], [node.func.value])
        return ast.copy_location(new, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.value, ast.Name):
            return node
        base = node.value.id
        if base in ('np', 'numpy') and node.attr in NUMPY_ALIASES:
            return ast.copy_location(ast.Name(NUMPY_ALIASES[node.attr], ast.Load()), node)
        if (base, node.attr) in MEMBERS:
            module, member = MEMBERS[base, node.attr]
            found = _call('__import__', ast.Constant(module))
            found.keywords = [ast.keyword('fromlist', ast.List([ast.Constant(member)],
                                                               ast.Load()))]
            return ast.copy_location(ast.Attribute(found, member, ast.Load()), node)
        return node

    def visit_Import(self, node: ast.Import) -> ast.stmt:
        for name in node.names:
            if name.name in MODULES:
                name.asname = name.asname or name.name
                name.name = MODULES[name.name]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:
        if node.level or node.module is None:
            return node
        kept: list[ast.alias] = []
        moved: list[ast.stmt] = []
        for name in node.names:
            if (node.module, name.name) in MEMBERS:
                module, member = MEMBERS[node.module, name.name]
                alias = ast.alias(member, name.asname or name.name)
                moved.append(ast.copy_location(ast.ImportFrom(module, [alias], 0), node))
            else:
                kept.append(name)
        node.module = MODULES.get(node.module, node.module)
        node.names = kept
        return [*moved, node] if kept else moved

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        self.generic_visit(node)
        for item in list(node.body):
            if isinstance(item, ast.FunctionDef) and item.name in _METHODS:
                also = ast.Assign([ast.Name(_METHODS[item.name], ast.Store())],
                                  ast.Name(item.name, ast.Load()))
                node.body.append(ast.copy_location(also, item))
        return node
