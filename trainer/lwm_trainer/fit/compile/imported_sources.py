"""The sources of this package that a module imports, directly or indirectly: what a compiled program depends on."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The folder that holds the package `lwm_trainer`."""


def imported_sources(module: str) -> dict[str, bytes]:
    """Name and source of `module` and of every module of its package that it imports, also inside functions; sorted by name."""
    package, sources, pending = module.split(".")[0], dict[str, bytes](), [module]
    while pending:
        name = pending.pop()
        file = _file(name)
        if name in sources or file is None:
            continue
        sources[name] = file.read_bytes()
        pending += [imported for imported in _imports(sources[name]) if imported.split(".")[0] == package]
        if "." in name:
            pending.append(name.rsplit(".", 1)[0])  # a package's __init__ runs before its modules
    return dict(sorted(sources.items()))


def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def _imports(source: bytes) -> set[str]:
    """The imported modules; each imported name is listed as well, because it may be a module."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules
