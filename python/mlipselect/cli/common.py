"""Options that several verbs share."""

from __future__ import annotations

import argparse
from typing import Any

from mlipselect.descriptors import ACE


def add_verb(verbs: Any, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """Add a verb with its help: a summary above the options, examples below."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary[0].lower() + summary[1:].split("\n")[0].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_descriptor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define the descriptor."""
    group = parser.add_argument_group("descriptor (ACE)")
    group.add_argument(
        "--elements",
        nargs="+",
        metavar="SYMBOL",
        help="elements that may occur (default: those of the structures)",
    )
    group.add_argument("--order", type=int, default=3, help="correlation order, 1 to 3 (default: %(default)s)")
    group.add_argument(
        "--totaldegree",
        type=float,
        nargs="+",
        metavar="DEGREE",
        help="largest total degree, one for all orders or one for each (default: the largest with fewer than 1000 "
        "features)",
    )
    group.add_argument("--rcut", type=float, default=5.0, metavar="LENGTH", help="cutoff in Å (default: %(default)s)")
    group.add_argument("--r0", type=float, metavar="LENGTH", help="bond length in Å (default: from a table)")
    group.add_argument(
        "--dtype", choices=["float64", "float32"], default="float64", help="type of the features (default: %(default)s)"
    )


def descriptor_from(options: argparse.Namespace) -> ACE:
    """Make the descriptor that the options define."""
    degrees = options.totaldegree
    return ACE(
        options.elements,
        order=options.order,
        totaldegree=degrees[0] if degrees and len(degrees) == 1 else degrees,
        rcut=options.rcut,
        r0=options.r0,
    )


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that have nothing to do with the work itself."""
    group = parser.add_argument_group("general")
    group.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")
    group.add_argument("-q", "--quiet", action="count", default=0, help="no bars, no table; errors only")
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="say what is done and what was chosen; twice: tracebacks of errors",
    )


def progress_from(options: argparse.Namespace) -> bool | None:
    """Decide about progress bars: none with --quiet, else where the standard error is a terminal."""
    return False if options.quiet else None
