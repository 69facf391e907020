"""The picture of the README: what the default picks of the demo's slabs, and what is left uncertain after each pick.

python -m benches.pages.picture docs/selection.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
from benches.drawing import plt, save

import mlipselect as ms
from mlipselect import plot
from mlipselect.demo import silicon_core, silicon_pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="file for the picture, .svg or .png")
    options = parser.parse_args()
    selection = ms.select(silicon_pool(), 20, silicon_core(), progress=False)
    # Text stays text.
    with mpl.rc_context({"svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
        plot.map(selection, ax=left)
        plot.curve(selection, ax=right)
        right.set_ylabel("standard deviation over all slabs, noise")
        save(figure, options.output)


if __name__ == "__main__":
    main()
