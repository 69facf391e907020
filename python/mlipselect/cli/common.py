"""Options that several verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from mlipselect.descriptors import ACE, MACE, Cached, Metatomic, PerElement
from mlipselect.descriptors.recorded import from_record
from mlipselect.exceptions import InvalidInputError


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
    """Add the options that define a descriptor of any kind, and the type of its features."""
    add_learned_options(parser)
    add_ace_options(parser)
    group = parser.add_argument_group("type of features")
    group.add_argument(
        "--dtype",
        choices=["float64", "float32"],
        help="type of the features, and precision of mace (default: float64, or that of a store)",
    )


def add_learned_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a descriptor, but for those of ACE."""
    group = parser.add_argument_group("descriptor")
    group.add_argument(
        "--per-element",
        action="store_true",
        default=None,
        help="a block of columns for each element, for descriptors that share them between elements",
    )
    group.add_argument(
        "--cache", metavar="FOLDER", help="keep the features there, and take those of an earlier run from there"
    )
    group.add_argument(
        "--descriptor",
        choices=list(_OPTIONS),
        help="ACE, or what a model of MACE or metatomic makes of each atom (default: ace)",
    )
    group.add_argument(
        "--model",
        metavar="FILE",
        help="mace, metatomic: file of the model, which can run any code: only from people you trust; mace: or a "
        "foundation model such as mp:medium-mpa-0",
    )
    group.add_argument(
        "--device",
        metavar="DEVICE",
        help="mace, metatomic: where the model runs, such as cuda (default: cpu for mace, as the model says for "
        "metatomic)",
    )
    group.add_argument(
        "--all-features",
        action="store_true",
        default=None,
        help="mace: keep features that turn with the structure, too (default: invariants only)",
    )


def add_ace_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define an ACE."""
    group = parser.add_argument_group("descriptor (ACE)")
    group.add_argument(
        "--elements",
        nargs="+",
        metavar="SYMBOL",
        help="elements that may occur (default: those of the structures)",
    )
    group.add_argument("--order", type=int, help="correlation order, 1 to 3 (default: 3)")
    group.add_argument(
        "--totaldegree",
        type=float,
        nargs="+",
        metavar="DEGREE",
        help="largest total degree, one for all orders or one for each (default: the largest with fewer than 1000 "
        "features)",
    )
    group.add_argument("--rcut", type=float, metavar="LENGTH", help="cutoff in Å (default: 5.0)")
    group.add_argument("--r0", type=float, metavar="LENGTH", help="bond length in Å (default: from a table)")


#: Options of each descriptor.
_OPTIONS = {
    "ace": ("elements", "order", "totaldegree", "rcut", "r0"),
    "mace": ("model", "device", "all_features"),
    "metatomic": ("model", "device"),
}


#: Options that wrap another descriptor.
_WRAPPERS = ("per_element", "cache")


def _given_descriptor_options(options: argparse.Namespace) -> dict[str, Any]:
    """Collect what was given for a descriptor of any kind."""
    names = ["descriptor", *_WRAPPERS, *(name for names in _OPTIONS.values() for name in names)]
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def refuse_descriptor(options: argparse.Namespace, owner: str) -> None:
    """Refuse options of a descriptor where one is there already."""
    for name in _given_descriptor_options(options):
        raise InvalidInputError(f"--{name.replace('_', '-')}: expected no descriptor with {owner}, which has its own")


def descriptor_for(options: argparse.Namespace, record: Mapping[str, Any], owner: str) -> Any:
    """Make the descriptor of a record from the options; None if none were given, as where the record says all."""
    if from_record(record) is not None:
        refuse_descriptor(options, owner)
    if not _given_descriptor_options(options):
        return None
    return descriptor_from(options, record.get("descriptor", record).get("dtype", "float64"))


def descriptor_from(options: argparse.Namespace, dtype: str = "float64") -> Any:
    """Make the descriptor that the options define; of MACE, in a precision."""
    given = _given_descriptor_options(options)
    per_element, folder = (given.pop(name, None) for name in _WRAPPERS)
    descriptor = _plain_descriptor(given, dtype)
    if folder is not None:
        descriptor = Cached(descriptor, folder)
    return PerElement(descriptor) if per_element else descriptor


def _plain_descriptor(given: dict[str, Any], dtype: str) -> Any:
    kind = given.pop("descriptor", "ace")
    for name in given:
        owners = [descriptor for descriptor, names in _OPTIONS.items() if name in names]
        if kind not in owners:
            raise InvalidInputError(
                f"--{name.replace('_', '-')}: expected only with --descriptor {' or '.join(owners)}, got {kind}"
            )
    if kind == "ace":
        degrees = given.get("totaldegree", [])
        return ACE(**given | ({"totaldegree": degrees[0]} if len(degrees) == 1 else {}))
    if "model" not in given:
        raise InvalidInputError(f"--descriptor {kind}: expected --model FILE with it, got none")
    model = given.pop("model")
    if kind == "metatomic":
        return Metatomic(model, **given)
    return MACE(model, invariants_only=not given.pop("all_features", False), dtype=dtype, **given)


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that have nothing to do with the work itself."""
    group = parser.add_argument_group("general")
    group.add_argument("--threads", type=int, metavar="N", help="number of threads (default: all cores)")
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show progress bars (default: where the standard error is a terminal)",
    )
    group.add_argument("-q", "--quiet", action="count", default=0, help="no bars, no table; errors only")
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="say what is done and what was chosen; twice: tracebacks of errors",
    )


def progress_from(options: argparse.Namespace) -> bool | None:
    """Decide about progress bars: none with --quiet, else as asked; None where the standard error is a terminal."""
    return False if options.quiet else options.progress
