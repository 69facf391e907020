//! How much memory a selection from rows on disk takes, and how many rows its windows get of what is allowed.

use crate::data::rows::Rows;
use crate::error::{Error, Result};

/// Rows of a window, where there are as many.
const SMALLEST: usize = 1024;
/// Bytes of features that are read at a time, at least.
const SMALLEST_BLOCK: usize = 1 << 20;
/// Of memory beyond the least, one part in so many goes to what is read at a time.
const BLOCKS: usize = 20;
/// Bytes that do not depend on the pool.
const CONSTANT: usize = 32 << 20;

/// Bytes that a kind of selection takes.
#[derive(Clone, Copy, Debug)]
struct Footprint {
    /// For each row of the pool.
    row: usize,
    /// Features that are read at a time, where there is memory.
    block_bytes: usize,
    /// For each feature of a row that is being worked on, beside the feature itself.
    feature: usize,
    /// Matrices of the width of the features, in float64.
    matrices: usize,
    /// A window begins with this part of the pool.
    share: usize,
}

const VARIANCES: Footprint = Footprint { row: 58, block_bytes: 48 << 20, feature: 14, matrices: 16, share: 40 };
const DISTANCES: Footprint = Footprint { row: 42, block_bytes: 64 << 20, feature: 4, matrices: 0, share: 100 };

/// What a selection from disk takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Rows that are read at a time.
    pub block: usize,
    /// Rows of a window.
    pub window: usize,
    /// Rows of a window, at most.
    pub largest: usize,
    /// Bytes in all, about, while windows are as they begin.
    pub bytes: usize,
}

impl Sizes {
    /// Those of a selection by variances.
    ///
    /// # Errors
    /// [`Error::Memory`] if `max_memory` bytes are too little; the error says what is needed.
    pub fn of_variances(rows: &dyn Rows, max_memory: usize) -> Result<Self> {
        VARIANCES.sizes(rows, max_memory)
    }

    /// Those of a selection by distances.
    ///
    /// # Errors
    /// As [`Sizes::of_variances`].
    pub fn of_distances(rows: &dyn Rows, max_memory: usize) -> Result<Self> {
        DISTANCES.sizes(rows, max_memory)
    }
}

impl Footprint {
    fn sizes(&self, rows: &dyn Rows, max_memory: usize) -> Result<Sizes> {
        let (n, d) = (rows.len(), rows.dim().max(1));
        let element = if rows.singles().is_some() { size_of::<f32>() } else { size_of::<f64>() };
        // A row of a window takes itself, its copy in integers, and what is known of it.
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
        let window = largest.min(SMALLEST.max(n / self.share));
        Ok(Sizes { block: (block_bytes / (d * element)).max(1), window, largest, bytes: fixed + window * row })
    }

    /// Bytes that are taken beside the rows of a window.
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
