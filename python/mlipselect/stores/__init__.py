"""Features on disk: a folder of plain ``.npy`` shards with a manifest, for pools that do not fit into memory.

    pool.features/
        manifest.json          what the rows are, how many there are, and digests of all other files
        rows-00000.npy         structure features of the first structures, float32 or float64
        origin-00000.npy       for each row: number of the file it came from, 0-based frame in it, number of atoms
        counts-00000.npy       for each row: atoms of each element that the manifest names for the shard
        info-00000.json        for each row: the numbers and short texts of `Atoms.info`
        atoms-00000.npy        atomic features of the same structures, if asked for

A shard is written under a temporary name, flushed to disk and renamed; then the manifest is replaced in the same way.
Files that the manifest names are complete. ``numpy.load`` reads the arrays.
"""

from mlipselect.stores.joined import JoinedStores, Share, open_stores
from mlipselect.stores.reader import FeatureStore

__all__ = ["FeatureStore", "JoinedStores", "Share", "open_stores"]
