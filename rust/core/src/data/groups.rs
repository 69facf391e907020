//! Groups of consecutive rows, such as the rows of the atoms of each structure.

use std::ops::Range;

use crate::error::{Error, Result};

/// Consecutive groups of rows: group `i` holds the rows `offsets[i]..offsets[i + 1]`.
#[derive(Clone, Debug)]
pub struct Groups {
    offsets: Vec<usize>,
}

impl Groups {
    /// Groups from their offsets, which start at 0 and increase; there is one offset more than groups.
    ///
    /// # Errors
    /// [`Error::Shape`] if the offsets are not of that form.
    pub fn new(offsets: Vec<usize>) -> Result<Self> {
        if offsets.first() != Some(&0) {
            return Err(Error::Shape("offsets must start with 0".into()));
        }
        if let Some(i) = offsets.windows(2).position(|pair| pair[1] <= pair[0]) {
            return Err(Error::Shape(format!(
                "offsets must increase: structure {i} has offsets {} and {}",
                offsets[i],
                offsets[i + 1]
            )));
        }
        Ok(Self { offsets })
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows in all groups together.
    pub fn rows(&self) -> usize {
        self.offsets[self.len()]
    }

    /// The rows of one group.
    pub fn range(&self, group: usize) -> Range<usize> {
        self.offsets[group]..self.offsets[group + 1]
    }

    /// The group of a row.
    pub(crate) fn group_of(&self, row: usize) -> usize {
        self.offsets.partition_point(|&offset| offset <= row).saturating_sub(1)
    }

    /// The sum over the rows of each group.
    pub(crate) fn sums(&self, values: &[f64]) -> Vec<f64> {
        (0..self.len()).map(|group| values[self.range(group)].iter().sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_must_start_at_zero_and_increase() {
        assert_eq!(Groups::new(vec![0, 2, 5]).unwrap().range(1), 2..5);
        for bad in [vec![], vec![1, 2], vec![0, 2, 2]] {
            assert!(Groups::new(bad).is_err());
        }
    }
}
