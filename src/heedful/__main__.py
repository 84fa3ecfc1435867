"""`python -m heedful`: the same as `heedful`."""

import sys

from heedful.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
