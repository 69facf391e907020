"""`mlipselect featurize`: compute the features of structures and keep them."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from typing import Any

from mlipselect.cli.common import (
    add_descriptor_options,
    add_general_options,
    add_reading_options,
    add_verb,
    descriptor_from,
    progress_from,
    reading_from,
)
from mlipselect.cli.options import add_option, add_options
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.features.equal_rows import tell_equal_rows
from mlipselect.featurize import featurize
from mlipselect.io.checks import Checks
from mlipselect.io.collection import Structures
from mlipselect.io.isolated import marks_of
from mlipselect.io.output import Output
from mlipselect.io.rejected import RejectedFile
from mlipselect.selection.options import Candidates
from mlipselect.stores import FeatureStore
from mlipselect.utils.option import options_of
from mlipselect.utils.told import counted

SUMMARY = """\
Compute the features of structures and write them to an .npz archive or a store.

The archive holds the array 'per_structure' with one row per structure (the mean over its atoms), 'n_atoms', and
for each row the file it came from ('source') and the 0-based frame in it ('index'); with --rows atoms also
'per_atom', one row per atom, and 'offsets'. numpy.load reads it, and so does mlipselect.Features.load.

A store is a folder of .npy files for features that do not fit into memory; the same command goes on where one
was stopped. mlipselect.FeatureStore.open reads it."""

EXAMPLES = """\
  mlipselect featurize pool.xyz -o pool.npz
  mlipselect featurize huge.xyz --dtype float32 --store huge.features
  mlipselect featurize a.xyz b.traj --elements Si O --totaldegree 10 --rows atoms -o features.npz
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "featurize", SUMMARY, EXAMPLES)
    parser.add_argument("structures", nargs="+", metavar="STRUCTURES", help="files with structures")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("-o", "--output", metavar="OUT", help="archive to write, such as features.npz")
    place.add_argument("--store", metavar="FOLDER", help="store to write or go on with, such as pool.features")
    parser.add_argument("--append", action="store_true", help="add the files to those that are in the store")
    parser.add_argument(
        "--rows",
        choices=["structure", "atoms"],
        default="structure",
        help="what to keep: means over structures, or the rows of all atoms too (default: %(default)s)",
    )
    add_reading_options(parser)
    isolated = options_of(Candidates)["isolated"]
    text = "marks isolated atoms, may be given several times: they are not described; a store remembers them"
    add_option(parser, "isolated", dataclasses.replace(isolated, help=text))
    add_options(parser.add_argument_group(Checks.title), Checks)
    add_descriptor_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compute, write, and say what was written."""
    checks = Checks(options.min_bond, options.max_force, options.skip_bad)
    reading = reading_from(options)
    structures = Structures(options.structures, marks_of(options.isolated or "none"), reading=reading, checks=checks)
    dtype = options.dtype or "float64"
    descriptor = descriptor_from(options, dtype)
    how = {
        "rows": options.rows,
        "dtype": dtype,
        "n_threads": options.n_threads,
        "progress": progress_from(options),
    }
    with contextlib.ExitStack() as stack:
        place = options.output or options.store
        rejects = stack.enter_context(RejectedFile(place, structures.paths, expected=checks.skip_bad))
        features = _described(structures, descriptor, options, how)
        reading.tell_unused()
        written = [place]
        passed = rejects.fill([structures.rejected[position] for position in sorted(structures.rejected)])
        rejects.publish()
        written += [] if passed is None else [str(passed)]
    if not options.quiet:
        print(f"{descriptor!r}")
        sizes = {"structure": len(features), "atom": int(features.n_atoms.sum()), "feature": features.shape[1]}
        print(", ".join(counted(number, noun) for noun, number in sizes.items()))
        print(f"wrote {', '.join(written)}")


def _described(
    structures: Structures, descriptor: Any, options: argparse.Namespace, how: dict[str, Any]
) -> Features | FeatureStore:
    """Compute the features into a store or an archive."""
    if options.store is not None:
        store: FeatureStore = featurize(structures, descriptor, store=options.store, append=options.append, **how)
        tell_equal_rows((rows[:, : store.n_described] for _, rows in store.blocks()), descriptor)
        return store
    if options.append:
        raise InvalidInputError("append: expected --store with it")
    with Output(options.output, inputs=structures.paths) as output:
        features: Features = featurize(structures.survey(progress_from(options)), descriptor, **how)
        tell_equal_rows([features.per_structure], descriptor, refuse_zeros=True)
        features.write_to(output.temporary[0])
        output.publish()
    return features
