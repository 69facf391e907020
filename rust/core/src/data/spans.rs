//! Blocks of consecutive rows as matrices of their own.

use std::ops::Range;

use crate::data::rows::{BLOCK_BYTES, Rows, in_blocks};

/// Largest number of bytes of `rows` rows in memory at a time: a block, and the next one, which is fetched in advance.
pub(crate) fn bytes(rows: usize, dim: usize) -> usize {
    size_of::<f64>().saturating_mul(dim).saturating_mul(rows).min(2 * BLOCK_BYTES)
}

/// Consecutive rows of a matrix, as a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    rows: &'a dyn Rows,
    first: usize,
    len: usize,
}

impl<'a> Span<'a> {
    pub(crate) fn new(rows: &'a dyn Rows, range: &Range<usize>) -> Self {
        Self { rows, first: range.start, len: range.len() }
    }
}

impl Rows for Span<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    #[inline]
    fn read(&self, index: usize, out: &mut [f64]) {
        self.rows.read(self.first + index, out);
    }
}

/// Call `work` with one block of rows after the other, and the range of the block.
pub(crate) fn in_spans(rows: &dyn Rows, mut work: impl FnMut(Span<'_>, Range<usize>)) {
    let each = |range: Range<usize>| {
        work(Span::new(rows, &range), range);
        Ok(())
    };
    // The work does not fail.
    let _ = in_blocks(rows, 1, each);
}
