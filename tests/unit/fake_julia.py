"""Speaks the protocol of `mlipselect.julia.child` without Julia: the rows are simple functions of the structure.

What it does wrong is named by its argument.
"""

import os
import sys
import time

import numpy as np

from mlipselect.worker.messages import receive, send

FAULT = sys.argv[1] if len(sys.argv) > 1 else ""


def rows(positions, cell):
    """Row of each atom: its distances from the first two, squared, and one."""
    first = positions - positions[0]
    return np.column_stack([(first**2).sum(axis=1), np.ones(len(positions)) * np.linalg.det(cell)])


def main():
    out = sys.stdout.buffer
    while True:
        try:
            head, arrays = receive(sys.stdin.buffer)
        except EOFError:
            return
        if head["do"] == "open":
            if FAULT.startswith("stage-"):
                send(out, {"error": "URLError: <urlopen error no network>", "stage": FAULT.removeprefix("stage-")})
                continue
            print(head, file=sys.stderr, flush=True)
            send(out, {"n_features": 2} if FAULT != "nonsense" else {"features": "two"})
            if FAULT == "deaf":
                time.sleep(60)
            if FAULT == "mute":
                os.close(1)
                os.close(0)
                time.sleep(60)
            continue
        numbers, positions, cell = arrays
        if FAULT == "dies":
            print("signal (11): Segmentation fault", file=sys.stderr, flush=True)
            os._exit(3)
        if FAULT == "sleeps":
            time.sleep(60)
        if FAULT == "prints":
            out.write(b"Precompiling project...\n")
            out.flush()
        if FAULT == "refuses":
            send(out, {"error": "DomainError: atoms too close", "stage": "request"})
        elif head["do"] == "features":
            found = rows(positions, cell)
            send(out, {}, [found[:, :1] if FAULT == "narrow" else found])
        else:
            n = len(numbers)
            send(out, {}, [rows(positions, cell).sum(axis=0), np.zeros((3 * n, 2)), np.zeros((6, 2))])


main()
