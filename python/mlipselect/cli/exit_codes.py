"""What the command ends with, as its help says."""

OK, BAD_INPUT, BAD_USAGE, NOTHING_SELECTED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
