"""The optional dependencies of this distribution, asked for before anything of them is imported."""

import sys
from importlib.util import find_spec

DISTRIBUTION = "lwm-operator"


def require_extra(command: str, extra: str, *modules: str) -> None:
    """End the process with one sentence on standard error and exit code 1 when a module of the extra is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        sys.exit(f"{command} needs {', '.join(missing)} of the extra `{extra}`: pip install '{DISTRIBUTION}[{extra}]'")
