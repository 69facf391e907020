"""Make ``python -m mlipselect`` the command `mlipselect`."""

import sys

from mlipselect_command import main

sys.exit(main())
