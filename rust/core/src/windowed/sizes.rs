//! The memory of a selection from rows on disk, and the sizes of blocks and windows for a given limit.

use crate::data::rows::Rows;
use crate::error::{Error, Result};

/// Smallest number of rows of a window, if the pool has as many.
const SMALLEST: usize = 1024;
/// Smallest number of bytes of a block of rows.
const SMALLEST_BLOCK: usize = 1 << 20;
/// One part in this number of the memory beyond the minimum goes to the block.
const BLOCKS: usize = 20;
/// Bytes that do not depend on the pool.
const CONSTANT: usize = 32 << 20;

/// The memory of a kind of selection.
#[derive(Clone, Copy, Debug)]
struct Footprint {
    /// Bytes for each row of the pool.
    row: usize,
    /// Largest number of bytes of a block of rows.
    block_bytes: usize,
    /// Bytes for each feature in a block, beside the feature and its copy.
    feature: usize,
    /// Number of square matrices of the width of the features, in float64.
    matrices: usize,
    /// The first window holds one part in this number of the pool.
    share: usize,
}

const VARIANCES: Footprint = Footprint { row: 58, block_bytes: 48 << 20, feature: 14, matrices: 16, share: 40 };
const DISTANCES: Footprint = Footprint { row: 54, block_bytes: 64 << 20, feature: 4, matrices: 0, share: 100 };

/// The sizes of blocks and windows of a selection from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Number of rows that are read at a time.
    pub block: usize,
    /// Number of rows of the first window.
    pub window: usize,
    /// Largest number of rows of a window.
    pub largest: usize,
    /// Approximate number of bytes in all, with windows as large as the first.
    pub bytes: usize,
}

impl Sizes {
    /// The sizes for a selection by variances.
    ///
    /// # Errors
    /// [`Error::Memory`] if `max_memory` is too small; the error says how many bytes are needed.
    pub fn of_variances(rows: &dyn Rows, max_memory: usize) -> Result<Self> {
        VARIANCES.sizes(rows, max_memory)
    }

    /// The sizes for a selection by distances.
    ///
    /// # Errors
    /// As [`Sizes::of_variances`].
    pub fn of_distances(rows: &dyn Rows, max_memory: usize) -> Result<Self> {
        DISTANCES.sizes(rows, max_memory)
    }
}

/// Number of rows of the first window of a selection by distances from `n` rows, where memory allows it.
pub(super) fn first_window_of_distances(n: usize) -> usize {
    DISTANCES.first_window(n)
}

impl Footprint {
    fn sizes(&self, rows: &dyn Rows, max_memory: usize) -> Result<Sizes> {
        let (n, d) = (rows.len(), rows.dim().max(1));
        let element = if rows.is_single() { size_of::<f32>() } else { size_of::<f64>() };
        // A row of a window, its rounded copy, and the numbers that are kept for it.
        let row = d * (element + size_of::<i16>()) + 256;
        let needed = self.fixed(n, d, element, SMALLEST_BLOCK) + n.min(SMALLEST) * row;
        if max_memory < needed {
            return Err(Error::Memory {
                what: format!("a selection from {n} rows of {d} features on disk").into(),
                needed,
                allowed: max_memory,
                advice: "raise max_memory",
            });
        }
        let block_bytes = self.block_bytes.min(SMALLEST_BLOCK + (max_memory - needed) / BLOCKS);
        let fixed = self.fixed(n, d, element, block_bytes);
        let largest = n.min((max_memory - fixed) / row);
        let window = largest.min(self.first_window(n));
        Ok(Sizes { block: (block_bytes / (d * element)).max(1), window, largest, bytes: fixed + window * row })
    }

    /// Number of rows of the first window of a pool of `n` rows, where memory allows it.
    fn first_window(&self, n: usize) -> usize {
        SMALLEST.max(n / self.share)
    }

    /// Bytes beside the rows of a window.
    fn fixed(&self, n: usize, d: usize, element: usize, block_bytes: usize) -> usize {
        let block = (block_bytes / (d * element)).clamp(1, n.max(1)) * d;
        n * self.row + block * (2 * element + self.feature) + self.matrices * d * d * size_of::<f64>() + CONSTANT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;

    #[test]
    fn what_is_needed_is_enough_and_more_is_used() {
        let data = vec![0.0_f32; 20_000 * 30];
        let rows = View::new(&data, 20_000, 30).unwrap();
        for sizes in [Sizes::of_variances, Sizes::of_distances] {
            let Err(Error::Memory { needed, what, .. }) = sizes(&rows, 1000) else { panic!() };
            assert_eq!(what, "a selection from 20000 rows of 30 features on disk");
            assert!(sizes(&rows, needed - 1).is_err());
            let least = sizes(&rows, needed).unwrap();
            assert_eq!((least.block, least.window, least.largest), (SMALLEST_BLOCK / 120, 1024, 1024));
            let more = sizes(&rows, 1 << 30).unwrap();
            assert_eq!((more.window, more.largest), (1024, 20_000));
            assert!(more.block > least.block && more.bytes < 1 << 30);
        }
    }
}
