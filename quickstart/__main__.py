"""`uv run python quickstart`: see `quickstart.main`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    repository = Path(__file__).resolve().parents[1]
    sys.path[0] = str(repository)  # was this folder, whose files are to be had as quickstart.* only
    sys.path.insert(1, str(repository / "tests"))
    from quickstart.main import main

    sys.exit(main(sys.argv[1:]))
