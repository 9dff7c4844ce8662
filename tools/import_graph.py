"""Counts the structure of a checkout from its imports: packages, dependencies between them, layers, cycles, sizes of files.

`python -m tools.import_graph [CHECKOUT] [--dependencies]` reads the files as text, so that it works on any commit.
The packages of a root package are its folders of modules and the modules directly in it.
"""

import argparse
import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOTS = ("operator/lwm_operator", "trainer/lwm_trainer", "cli/lwm_cli")
PACKAGES_WITH_A_ROW = {"lwm_operator": ("lwm_operator.plan",)}
"""Packages that are as large as a root package: they have a row of their own."""

Graph = dict[str, set[str]]


def main(arguments: list[str]) -> int:
    """Print a table with a row for each root package and for the operator's plan."""
    parser = argparse.ArgumentParser(prog="python -m tools.import_graph", description=__doc__)
    parser.add_argument("checkout", nargs="?", default=".", type=Path)
    parser.add_argument("--dependencies", action="store_true", help="print every dependency between packages, too")
    options = parser.parse_args(arguments)
    print(f"{'root':<22} {'files':>5} {'median lines':>12} {'packages':>8} {'dependencies':>12} {'layers':>6} {'cycles':>6}")
    for folder in ROOTS:
        root = options.checkout / folder
        for prefix in [root.name, *PACKAGES_WITH_A_ROW.get(root.name, ())]:
            modules = {module: path for module, path in modules_of(root) if f"{module}.".startswith(f"{prefix}.")}
            graph = packages(modules, prefix)
            lines = statistics.median(len(path.read_text().splitlines()) for path in modules.values())
            cycles = [component for component in components(graph) if len(component) > 1]
            dependencies = sum(len(targets) for targets in graph.values())
            print(f"{prefix:<22} {len(modules):>5} {lines:>12.0f} {len(graph):>8} {dependencies:>12} {layers(graph):>6} {len(cycles):>6}")
            for cycle in cycles:
                print(f"  cycle: {', '.join(sorted(cycle))}")
            if options.dependencies:
                print(*(f"  {package} -> {', '.join(sorted(targets))}" for package, targets in sorted(graph.items()) if targets), sep="\n")
    return 0


def modules_of(root: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of every module of the package `root`."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def packages(modules: Mapping[str, Path], prefix: str) -> Graph:
    """The packages below `prefix` and the packages that each imports from; imports inside functions count, too."""
    graph: Graph = defaultdict(set)
    depth = prefix.count(".") + 2
    for module, path in modules.items():
        if module == prefix:
            continue
        package = ".".join(module.split(".")[:depth])
        graph[package] |= set()
        for target in imports(path, modules):
            other = ".".join(target.split(".")[:depth])
            if other not in (package, prefix):
                graph[package].add(other)
                graph[other] |= set()
    return dict(graph)


def imports(path: Path, modules: Mapping[str, Path]) -> set[str]:
    """Those of `modules` that the file imports."""
    targets: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                targets |= {full} if full in modules else {node.module} & modules.keys()
    return targets


def components(graph: Graph) -> list[set[str]]:
    """Strongly connected components (Tarjan 1972), targets before those who point at them."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: list[set[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in graph[node]:
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            cut = stack.index(node)
            result.append(set(stack[cut:]))
            del stack[cut:]

    for node in graph:
        if node not in order:
            visit(node)
    return result


def layers(graph: Graph) -> int:
    """The longest chain of packages, a cycle taken as one package."""
    height: dict[str, int] = {}
    tallest = 0
    for component in components(graph):
        below = [height[target] for node in component for target in graph[node] if target not in component]
        for node in component:
            height[node] = 1 + max(below, default=0)
            tallest = max(tallest, height[node])
    return tallest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
