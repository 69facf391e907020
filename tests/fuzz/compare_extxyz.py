"""Mutated extended XYZ: what the compiled reader reads is what ASE reads.

    cargo run --release -p mlipselect-extxyz --example mutate -- print 200000 | python tests/fuzz/compare_extxyz.py

Each input on the standard input ends in a byte 0. A frame that the compiled reader leaves to ASE counts as left; one
that it reads although ASE refuses it, or reads otherwise, is printed, and the exit code is 1.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from properties.test_plain_extxyz import by_ase, fast, same_atoms


def main() -> int:
    """Compare all inputs."""
    warnings.simplefilter("ignore")
    inputs = sys.stdin.buffer.read().split(b"\0")[:-1]
    read, otherwise = 0, []
    for text in map(bytes.decode, inputs):
        ours = fast(text)
        if ours is None:
            continue
        read += 1
        theirs = by_ase(text)
        try:
            assert theirs is not None, "ASE refuses it"
            same_atoms(ours, theirs)
        except AssertionError as difference:
            otherwise.append((text, difference))
    for text, difference in otherwise[:20]:
        print(f"read otherwise: {text!r}\n  {' '.join(str(difference).split())[:200]}")
    print(f"{len(inputs)} inputs, {read} read by the compiled reader, {len(otherwise)} otherwise than by ASE")
    return int(bool(otherwise))


if __name__ == "__main__":
    sys.exit(main())
