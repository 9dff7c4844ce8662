"""`python -m quickstart`: see `quickstart.main`."""

import sys

from quickstart.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
