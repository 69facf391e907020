//! Two matrices side by side, as one.

use std::ops::Range;

use crate::data::rows::Rows;
use crate::error::{Error, Result};

/// Rows that begin with those of one matrix and end with those of another: columns that are added where the rows stay.
#[derive(Clone, Debug)]
pub struct Beside<L, R> {
    left: L,
    right: R,
}

impl<L: Rows, R: Rows> Beside<L, R> {
    /// The columns of `left`, then those of `right`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the two have different numbers of rows.
    pub fn new(left: L, right: R) -> Result<Self> {
        match left.len() == right.len() {
            true => Ok(Self { left, right }),
            false => Err(Error::Shape(format!("{} rows cannot stand beside {}", left.len(), right.len()))),
        }
    }
}

impl<L: Rows, R: Rows> Rows for Beside<L, R> {
    fn len(&self) -> usize {
        self.left.len()
    }

    fn dim(&self) -> usize {
        self.left.dim() + self.right.dim()
    }

    #[inline]
    fn read(&self, index: usize, out: &mut [f64]) {
        let (left, right) = out.split_at_mut(self.left.dim());
        self.left.read(index, left);
        self.right.read(index, right);
    }

    fn is_single(&self) -> bool {
        self.left.is_single() && self.right.is_single()
    }

    fn expect(&self, rows: Range<usize>) {
        self.left.expect(rows.clone());
        self.right.expect(rows);
    }

    fn release(&self, rows: Range<usize>) {
        self.left.release(rows.clone());
        self.right.release(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;

    #[test]
    fn rows_continue_in_the_other_matrix() {
        let (left, right) = ([1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [7.0_f32, 8.0, 9.0]);
        let rows = Beside::new(View::new(&left, 3, 2).unwrap(), View::new(&right, 3, 1).unwrap()).unwrap();
        assert_eq!((rows.len(), rows.dim()), (3, 3));
        let mut row = [0.0; 3];
        rows.read(1, &mut row);
        assert_eq!(row, [3.0, 4.0, 8.0]);
        assert!(rows.is_single() && rows.singles().is_none());
        let wide = [0.0_f64; 3];
        assert!(!Beside::new(View::new(&left, 3, 2).unwrap(), View::new(&wide, 3, 1).unwrap()).unwrap().is_single());
        assert!(Beside::new(View::new(&left, 3, 2).unwrap(), View::new(&right, 1, 3).unwrap()).is_err());
    }
}
