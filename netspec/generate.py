"""Rows into files: prototxt/<net>/{train,val,deploy}.prototxt, solvers/<net>/solver.prototxt."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netspec.families import make_net
from netspec.families.deeplab_authors import authors_files
from netspec.schema import print_net, print_solver, write_atomic
from netspec.solver_param import solvers
from netspec.variants import VARIANTS, Variant, find_variant


def published_dirs(variant: str | Variant, root: str | Path = '.') -> tuple[Path, Path]:
    """Return where the project keeps a row's nets and its solver."""
    name = find_variant(variant).name
    return Path(root, 'prototxt', name), Path(root, 'solvers', name)


def data_roots(variant: str | Variant, data: str | Path) -> dict[str, str]:
    """Return the folder of each part of a row's dataset, by its key in param_str.

    data: the folder of all datasets, in the tree of `fcn data layout`, or that of this one; a part
    that lies within another (DeepLab's VOC2012/list) lies so in either. A user's own data lies
    where `fcn new` was told.
    """
    row = find_variant(variant)
    if row.places:
        return dict(row.places)
    dirs = dict(pair for split in row.splits for pair in split.layer.dirs)
    found = {}
    for key, folder in dirs.items():
        whole = min((other for other in dirs.values() if Path(folder).is_relative_to(other)),
                    key=len)
        below, here = Path(data, folder), Path(data, Path(folder).relative_to(whole))
        found[key] = str((below if below.is_dir() else here).resolve())
    return found


def data_root(variant: str | Variant, data: str | Path) -> str | dict[str, str]:
    """Return what a row's nets take as data_root for a folder of data.

    data: as in data_roots; or, for a row of several datasets, one folder that holds all images in
    the layout of the row's own_splits (VOC's, for the nets that train on SBDD and test on VOC).
    """
    row = find_variant(variant)
    parts = [folder for split in row.splits for _, folder in split.layer.dirs]
    if row.own_splits and not any(Path(data, folder).is_dir() for folder in parts):
        return str(Path(data).resolve())
    return data_roots(row, data)


def contents(variant: str | Variant, net_dir: str | Path, solver_dir: str | Path | None = None,
             solver_options: Mapping[str, Any] | None = None,
             **net_options: Any) -> dict[Path, str]:
    """Return the text of every file of a row: its data nets, deploy net and solver or solvers.

    `net_options` are make_net's (width, classes, data_root, …), `solver_options` solver's. Without
    a `solver_dir` all lie in one folder, where Caffe and ours run them.
    """
    row = find_variant(variant)
    nets = {Path(net_dir, f'{name}.prototxt'): print_net(make_net(row, name, **net_options))
            for name in row.net_files}
    folder = net_dir if solver_dir is None else solver_dir
    return nets | {Path(folder, f'{name}.prototxt'): print_solver(message)
                   for name, message in solvers(row, **(solver_options or {})).items()}


def write_variant(variant: str | Variant, net_dir: str | Path,
                  solver_dir: str | Path | None = None,
                  solver_options: Mapping[str, Any] | None = None,
                  **net_options: Any) -> list[Path]:
    """Write every file of a row and return their paths; nothing is written on an error."""
    return _write(contents(variant, net_dir, solver_dir, solver_options, **net_options))


def write_authors(variant: str | Variant, folder: str | Path, **options: Any) -> list[Path]:
    """Write a row's files in the form that its authors published; options as authors_files'."""
    return _write({Path(folder, name): text
                   for name, text in authors_files(variant, **options).items()})


def _write(files: Mapping[Path, str]) -> list[Path]:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, [text.encode()])
    return list(files)


def check(variant: str | Variant, net_dir: str | Path, solver_dir: str | Path | None = None,
          solver_options: Mapping[str, Any] | None = None, **net_options: Any) -> list[Path]:
    """Return the files of a row that are missing or differ from what would be written."""
    files = contents(variant, net_dir, solver_dir, solver_options, **net_options)
    return [path for path, text in files.items()
            if not path.is_file() or path.read_bytes() != text.encode()]


def snapshots(folder: str | Path) -> Path | None:
    """Return the folder of the snapshots of a net that was trained in a folder, if any was."""
    found = Path(folder, 'snapshot')
    return found if any(found.glob('*')) else None


def keep_trained(variant: str | Variant, net_dir: str | Path, solver_dir: str | Path | None = None,
                 **options: Any) -> None:
    """Raise ValueError where a net with other files than would be written was trained there."""
    folder = snapshots(net_dir) or snapshots(solver_dir or net_dir)
    if not folder:
        return
    other = [path.name for path in check(variant, net_dir, solver_dir, **options) if path.is_file()]
    if other:
        raise ValueError(f'{folder.parent}: a net was trained there ({folder}) with another '
                         f'{", ".join(other)}; name another --out, or remove the folder')


def write_all(root: str | Path = '.') -> list[Path]:
    """Write the committed files of every row below `root`."""
    return [path for name in VARIANTS
            for path in write_variant(name, *published_dirs(name, root))]


def check_all(root: str | Path = '.') -> list[Path]:
    """Return the committed files that have drifted from the rows, and those no row writes."""
    drifted = [path for name in VARIANTS for path in check(name, *published_dirs(name, root))]
    return drifted + list(_strays(Path(root)))


def _strays(root: Path) -> Iterator[Path]:
    """Yield the prototxt files in the rows' folders that no row writes."""
    for name, row in VARIANTS.items():
        net_dir, _ = published_dirs(name, root)
        known = {f'{file}.prototxt' for file in row.net_files}
        yield from (path for path in sorted(net_dir.glob('*.prototxt')) if path.name not in known)
