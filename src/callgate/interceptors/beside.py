"""Python files beside callgate.yaml: which a module is made of, and how they are loaded anew."""

from __future__ import annotations

import ast
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

MAX_FILES = 500  # of one module; what is beyond is not followed
_loading = threading.RLock()  # sys.modules is one for all

Stamp = tuple[int, int, int]


def files_of(module: str, directory: Path) -> dict[str, Path]:
    """The files in `directory` that a module is made of: its own, its packages', its imports'.

    As the `import` statements in them say; a name that is made while running is not seen. Nothing
    is run. Empty where the module is not there.
    """
    found: dict[str, Path] = {}
    to_read = [module]
    while to_read and len(found) < MAX_FILES:
        name = to_read.pop()
        for part in _with_parents(name):
            if part in found:
                continue
            file = _file_of(part, directory)
            if file is None and not directory.joinpath(*part.split(".")).is_dir():
                break
            if file is None:
                continue  # a package without a file of its own
            found[part] = file
            to_read += _imported(part, file)
    return found


def files_of_script(file: Path) -> dict[str, Path]:
    """The same, of a file that is run under a name of its own."""
    found = {"": file} if file.is_file() else {}
    for name in _imported("", file):
        found |= files_of(name, file.parent)
    return found


def may_appear(files: Mapping[str, Path], directory: Path) -> set[Path]:
    """Files that would be imported if they were there: who mends a module may write one."""
    wanted = {name for module, file in files.items() for name in _imported(module, file)}
    tops = {name.partition(".")[0] for name in wanted} - files.keys() - sys.stdlib_module_names
    return {directory / f"{top}.py" for top in tops if top.isidentifier()}


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def _file_of(name: str, directory: Path) -> Path | None:
    place = directory.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if file.is_file():
            return file
    return None


def _imported(module: str, file: Path) -> list[str]:
    """The names that `import` statements mention. What does not parse imports nothing."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = _start(node, package)
            names += [start, *(f"{start}.{alias.name}".strip(".") for alias in node.names)]
    return [name for name in names if name]


def _start(node: ast.ImportFrom, package: str) -> str:
    """Where a `from … import` begins; relative ones begin in the package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


@contextmanager
def as_they_are_now(files: Mapping[str, Path]) -> Iterator[None]:
    """Inside, modules of these names are imported from these files, anew where they changed.

    A module that is not changed, and imports nothing that is, stays as it is, with its state.
    Where an exception leaves the block, everything is as it was.
    """
    with _loading:
        before = {name: sys.modules[name] for name in files if name in sys.modules}
        for name in _stale(files):
            sys.modules.pop(name, None)
        finder = _Finder(files)
        sys.meta_path.insert(0, finder)
        try:
            yield
        except BaseException:
            for name in files:
                sys.modules.pop(name, None)
            sys.modules.update(before)
            raise
        finally:
            sys.meta_path.remove(finder)
        for name in files:
            if (module := sys.modules.get(name)) is not None:
                _stamp(module, finder.seen.get(name) or stamp_of(files[name]))


def stamp_of(file: Path) -> Stamp | None:
    """What tells one content of a file from another."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _stale(files: Mapping[str, Path]) -> set[str]:
    """Modules that are loaded and not as their files are now, and what imports them."""
    stale = {name for name, file in files.items() if name in sys.modules and _is_other(name, file)}
    imports = {name: set(_imported(name, file)) for name, file in files.items() if name}
    has_grown = bool(stale)
    while has_grown:
        more = {name for name, wanted in imports.items() if wanted & stale}
        more |= {name for name in files if any(name.startswith(f"{one}.") for one in stale)}
        more -= stale
        has_grown = bool(more)
        stale |= more
    return stale


def _is_other(name: str, file: Path) -> bool:
    module = sys.modules[name]
    if not _is_of(module, file):
        return True
    known: Stamp | None = getattr(module, "__callgate_stamp__", None)
    return known is not None and known != stamp_of(file)


def _is_of(module: ModuleType, file: Path) -> bool:
    own = getattr(module, "__file__", None)
    return own is not None and os.path.realpath(own) == os.path.realpath(file)


def _stamp(module: ModuleType, stamp: Stamp | None) -> None:
    """Notes of which content a module is. One that others loaded is taken to be of the newest."""
    if getattr(module, "__callgate_stamp__", None) is None:
        module.__callgate_stamp__ = stamp  # type: ignore[attr-defined] # ours


class _Finder(MetaPathFinder):
    """Finds modules in the files that it is given, and nowhere else."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self.seen: dict[str, Stamp | None] = {}  # when they were loaded

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See MetaPathFinder."""
        file = self._files.get(name)
        if file is None:
            return None
        self.seen[name] = stamp_of(file)
        places = [str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(
            name, file, loader=FromSource(name, str(file)), submodule_search_locations=places
        )


class FromSource(SourceFileLoader):
    """Compiles what the file says now: what is kept compiled is told apart by whole seconds."""

    def get_code(self, fullname: str) -> CodeType | None:
        """See SourceLoader."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)
