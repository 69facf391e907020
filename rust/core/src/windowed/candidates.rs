//! The candidates in blocks that are read together, each with an upper bound of its score.

use std::ops::Range;

use crate::data::owned_rows::OwnedRows;
use crate::data::rows::Rows;

pub(super) struct Candidates {
    /// The first row of each block, and the number of rows.
    starts: Vec<usize>,
    /// Whether a candidate is picked or excluded.
    taken: Vec<bool>,
    pub(super) bounds: Vec<f64>,
    /// Number of rows read after the survey, from the pool or from the file of rounded rows.
    pub(super) rows_read: usize,
}

impl Candidates {
    /// `len` candidates, in blocks of `block` rows.
    pub(super) fn new(len: usize, block: usize) -> Self {
        let starts = (0..len).step_by(block.max(1)).chain([len]).collect();
        Self { starts, taken: vec![false; len], bounds: vec![f64::INFINITY; len], rows_read: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.starts.len() - 1
    }

    /// The candidates of a block.
    pub(super) fn range(&self, block: usize) -> Range<usize> {
        self.starts[block]..self.starts[block + 1]
    }

    /// Mark candidates as picked or excluded; indices beyond the last candidate are ignored.
    pub(super) fn take(&mut self, candidates: &[usize]) {
        for &candidate in candidates {
            if let Some(taken) = self.taken.get_mut(candidate) {
                *taken = true;
            }
        }
    }

    pub(super) fn is_open(&self, candidate: usize) -> bool {
        !self.taken[candidate]
    }

    /// Candidates that are neither picked nor excluded.
    pub(super) fn open(&self) -> usize {
        self.taken.iter().filter(|&taken| !taken).count()
    }

    /// The bound of a candidate, minus infinity if it is picked or excluded.
    pub(super) fn open_bound(&self, candidate: usize) -> f64 {
        if self.taken[candidate] { f64::NEG_INFINITY } else { self.bounds[candidate] }
    }

    /// The bounds of all candidates, minus infinity for those that are picked or excluded.
    pub(super) fn open_bounds(&self) -> Vec<f64> {
        (0..self.len()).map(|candidate| self.open_bound(candidate)).collect()
    }

    /// The blocks with their largest open bounds, the highest first.
    pub(super) fn ranked(&self) -> Vec<(f64, usize)> {
        let top = |block| self.range(block).map(|i| self.open_bound(i)).fold(f64::NEG_INFINITY, f64::max);
        let mut ranked: Vec<(f64, usize)> = (0..self.blocks()).map(|block| (top(block), block)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranked
    }

    /// Copies of rows, given in ascending order. Of rows on disk, only one block is in memory at a time.
    pub(super) fn read(&self, rows: &dyn Rows, mut candidates: &[usize]) -> OwnedRows {
        let mut out = OwnedRows::none_of(rows);
        while let Some(&first) = candidates.first() {
            let block = self.starts.partition_point(|&start| start <= first) - 1;
            let range = self.range(block);
            let (own, others) = candidates.split_at(candidates.partition_point(|&i| i < range.end));
            out.append(rows, own);
            rows.release(range);
            candidates = others;
        }
        out
    }

    /// Lower the bounds of candidates from `first` on to their scores.
    pub(super) fn lower(&mut self, first: usize, scores: &[f64]) {
        self.bounds[first..].iter_mut().zip(scores).for_each(|(bound, score)| *bound = bound.min(*score));
    }
}

/// The smallest of the `size` largest values seen so far, of which smaller ones are left out.
pub(super) struct Limit {
    size: usize,
    value: f64,
    largest: Vec<f64>,
}

impl Limit {
    /// No value has been seen; values below the first limit are left out.
    pub(super) fn new(size: usize, first: f64) -> Self {
        Self { size, value: first, largest: Vec::new() }
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// See more values.
    pub(super) fn raise(&mut self, values: impl Iterator<Item = f64>) {
        self.largest.extend(values.filter(|&value| value >= self.value));
        if self.largest.len() >= self.size {
            let below = self.largest.len() - self.size;
            self.largest.select_nth_unstable_by(below, f64::total_cmp);
            self.largest.drain(..below);
            self.value = self.largest[0];
        }
    }
}

/// The indices of the `count` largest values, ascending; of equal values at the limit, the first.
pub(super) fn largest(values: &[f64], count: usize) -> Vec<usize> {
    if count >= values.len() {
        return (0..values.len()).collect();
    }
    if count == 0 {
        return Vec::new();
    }
    let mut sorted = values.to_vec();
    let (_, &mut limit, above) = sorted.select_nth_unstable_by(values.len() - count, f64::total_cmp);
    let mut equal = count - above.iter().filter(|&&value| value > limit).count();
    let is_wanted = |&index: &usize| {
        let is_equal = values[index] == limit && equal > 0;
        equal -= usize::from(is_equal);
        is_equal || values[index] > limit
    };
    (0..values.len()).filter(is_wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;

    #[test]
    fn of_equal_values_the_first_are_taken() {
        let values = [1.0, 3.0, 2.0, 3.0, 2.0, 2.0, 0.0];
        assert!(largest(&values, 0).is_empty());
        assert_eq!(largest(&values, 1), [1]);
        assert_eq!(largest(&values, 3), [1, 2, 3]);
        assert_eq!(largest(&values, 4), [1, 2, 3, 4]);
        assert_eq!(largest(&values, 7), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_limit_is_the_smallest_of_the_largest() {
        let mut limit = Limit::new(2, 1.0);
        limit.raise([5.0, 0.0].into_iter());
        assert_eq!(limit.value(), 1.0);
        limit.raise([3.0, 4.0].into_iter());
        assert_eq!(limit.value(), 4.0);
        limit.raise([4.0, 2.0].into_iter());
        assert_eq!(limit.value(), 4.0);
        limit.raise([6.0].into_iter());
        assert_eq!(limit.value(), 5.0);
    }

    #[test]
    fn rows_are_copied_across_blocks_and_bounds_ranked() {
        let data: Vec<f64> = (0..20).map(f64::from).collect();
        let view = View::new(&data, 10, 2).unwrap();
        let mut candidates = Candidates::new(10, 3);
        assert_eq!((candidates.blocks(), candidates.range(3)), (4, 9..10));
        let copies = candidates.read(&view, &[0, 2, 3, 9]);
        let mut row = [0.0; 2];
        for (k, index) in [0, 2, 3, 9].into_iter().enumerate() {
            copies.read(k, &mut row);
            assert_eq!(row, [2.0 * index as f64, 2.0 * index as f64 + 1.0]);
        }
        candidates.lower(0, &data[..10]);
        candidates.take(&[9]);
        assert_eq!(candidates.ranked(), [(8.0, 2), (5.0, 1), (2.0, 0), (f64::NEG_INFINITY, 3)]);
        assert_eq!(candidates.open(), 9);
    }
}
