"""`mlipselect featurize`: compute the features of structures and keep them."""

from __future__ import annotations

import argparse
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
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.featurize import featurize
from mlipselect.io.collection import Isolated, Structures
from mlipselect.io.output import Output
from mlipselect.stores import FeatureStore

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
    parser.add_argument(
        "--isolated",
        metavar="KEY=VALUE",
        help="marks isolated atoms, such as config_type=isolated_atom: they are not described; a store remembers them",
    )
    add_descriptor_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compute, write, and say what was written."""
    mark = None if options.isolated is None else Isolated.parse(options.isolated)
    structures = Structures(options.structures, mark, reading=reading_from(options))
    dtype = options.dtype or "float64"
    descriptor = descriptor_from(options, dtype)
    how = {
        "rows": options.rows,
        "dtype": dtype,
        "n_threads": options.n_threads,
        "progress": progress_from(options),
    }
    features: Features | FeatureStore
    if options.store is not None:
        features = featurize(structures, descriptor, store=options.store, append=options.append, **how)
    elif options.append:
        raise InvalidInputError("append: expected --store with it")
    else:
        with Output(options.output, inputs=structures.paths) as output:
            made = featurize(structures.survey(progress_from(options)), descriptor, **how)
            made.write_to(output.temporary[0])
            output.publish()
        features = made
    if not options.quiet:
        print(f"{descriptor!r}")
        print(f"{features.shape[0]} structures, {int(features.n_atoms.sum())} atoms, {features.shape[1]} features")
        print(f"wrote {options.output or options.store}")
