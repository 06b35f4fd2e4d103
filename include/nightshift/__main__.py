"""``python -m nightshift``: the command line; the one place that reads the environment."""

import os
import sys

from nightshift.cli import main
from nightshift.cli.shell import Shell

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Shell(os.environ)))
