"""The sources of this package that a module imports, directly or not: what an answer of the compiler depends on."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The folder that holds the package `lwm_trainer`."""


def imported_sources(module: str) -> dict[str, bytes]:
    """Name and source of `module` and of every module of its package that it imports, sorted by name; imports in functions count."""
    package, sources, waiting = module.split(".")[0], dict[str, bytes](), [module]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name in sources or file is None:
            continue
        sources[name] = file.read_bytes()
        waiting += [imported for imported in _imports(sources[name]) if imported.split(".")[0] == package]
        if "." in name:
            waiting.append(name.rsplit(".", 1)[0])  # a package's __init__ runs before its modules
    return dict(sorted(sources.items()))


def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def _imports(source: bytes) -> set[str]:
    """What is imported, with each imported name as it might be a module."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules
