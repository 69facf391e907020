"""Figures for papers, by matplotlib: each takes the axes to draw into, and returns them.

Needs ``pip install mlipselect[plot]``. ``ax.figure.savefig("name.svg")`` writes a figure.
"""

from mlipselect.plot.calibration import calibration
from mlipselect.plot.composition import composition
from mlipselect.plot.curve import curve
from mlipselect.plot.parity import parity
from mlipselect.plot.structure_map import map  # noqa: A004 - what the figure is

__all__ = ["calibration", "composition", "curve", "map", "parity"]
