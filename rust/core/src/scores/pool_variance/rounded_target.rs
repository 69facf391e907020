//! A target rounded to 16-bit integers, for the numerators of all rows at the start.
//!
//! With `D^T D = A`, the target in the coordinates of [`super::rounded_pool`], and `D = D' + E` rounded row by row, a
//! numerator is known from the rounded target within `| |D y| - |D' y| | <= |E| |y|`, with the spectral norm of `E`: it is
//! far below the root of the sum of its squares, since errors of rounding have no direction in common.

use std::ops::Range;

use faer::Mat;

use super::target::largest_eigenvalue;
use crate::linalg::{LANES, Panels, ROWS, Sketch};

/// Number of directions that stay in the first level cache while rows stream past.
const TOGETHER: usize = 16;

/// A target, rounded to integers as the rows are.
pub(super) struct RoundedTarget {
    /// Directions, `TOGETHER` at a time, up to the last that is not zero.
    parts: Vec<Sketch<'static>>,
    /// An upper bound of the length of the error of all products of a row of length 1.
    pub(super) error: f64,
}

impl RoundedTarget {
    pub(super) fn new(directions: &Panels) -> Self {
        let dim = directions.dim();
        let mut errors = Mat::zeros(dim, directions.len());
        let parts = (0..directions.count()).step_by(TOGETHER / LANES).map(|first| {
            let panels = first..directions.count().min(first + TOGETHER / LANES);
            let reach = panels.clone().map(|p| directions.panel(p).end()).max().unwrap_or(0);
            let mut part = Sketch::new(reach);
            for (k, index) in (panels.start * LANES..directions.len().min(panels.end * LANES)).enumerate() {
                let mut direction = directions.direction(index);
                direction.resize(reach, 0.0);
                part.push(&direction);
                let rounded = part.vector(k).iter().map(|&q| f64::from(q) * part.scale(k));
                let missed = direction.iter().zip(rounded).map(|(exact, rounded)| exact - rounded);
                errors.col_as_slice_mut(index).iter_mut().zip(missed).for_each(|(out, missed)| *out = missed);
            }
            part
        });
        Self { parts: parts.collect(), error: largest_eigenvalue(&(&errors * errors.transpose())).sqrt() }
    }

    /// Add the squared products of consecutive rows with all directions.
    pub(super) fn add_squares(&self, rows: &Sketch<'_>, range: Range<usize>, sums: &mut [f64]) {
        for part in &self.parts {
            for (first, sums) in range.clone().step_by(ROWS).zip(sums.as_chunks_mut::<ROWS>().0) {
                let group = std::array::from_fn(|r| (first + r).min(range.end - 1));
                rows.add_squares(group, part, 0..part.len(), [0; ROWS], sums);
            }
        }
    }
}
