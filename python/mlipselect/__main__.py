"""Make ``python -m mlipselect`` the command `mlipselect`."""

import sys

from mlipselect.cli import main

sys.exit(main())
