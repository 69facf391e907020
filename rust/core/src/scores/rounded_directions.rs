//! Directions rounded to 16-bit integers, and lower bounds of the decrease of variances along them.
//!
//! In the coordinates of a factor `Sigma_0 = S S^T`, a row `x` is `y = S^T x`, and a direction is `w = S zeta`. So the
//! variance of `x` falls by `sum (y.zeta)^2`. Both are rounded, `y = y' + delta` and `zeta = zeta' + eta`. The
//! remaining covariance is positive semidefinite, so `sum zeta zeta^T <= I`, and by the triangle inequality
//!
//! `sqrt(sum (y.zeta)^2) >= sqrt(sum (y'.zeta')^2) - |delta| - |y'| sqrt(sum |eta|^2)`.

use std::ops::Range;

use faer::Mat;

use crate::bayes::posterior::Posterior;
use crate::linalg::{ROWS, Sketch, upper_times};

/// Number of directions that stay in the first level cache while the rows stream past.
pub(crate) const TILE: usize = 16;
/// Margin for rounding errors of float64, which are far below those of the integers.
const FLOAT_ERROR: f64 = 1e-7;

/// A growing list of rounded directions.
pub(crate) struct RoundedDirections {
    sketch: Sketch<'static>,
    /// `sum |eta|^2` over the directions before each.
    errors: Vec<f64>,
    /// Upper triangular `R` with `zeta = R w`.
    factor: Mat<f64>,
}

impl RoundedDirections {
    /// Begin without directions, in the coordinates of the factor of the posterior.
    pub(crate) fn new(posterior: &Posterior) -> Self {
        Self { sketch: Sketch::new(posterior.dim()), errors: vec![0.0], factor: posterior.factor().clone() }
    }

    pub(crate) fn len(&self) -> usize {
        self.sketch.len()
    }

    /// Append a direction `w`.
    pub(crate) fn push(&mut self, w: &[f64]) {
        self.sketch.push(&upper_times(&self.factor, w));
        let error = self.sketch.error(self.sketch.len() - 1) + FLOAT_ERROR;
        self.errors.push(self.errors[self.errors.len() - 1] + error * error);
    }

    /// Add to `sums` the squared products of a few rows with a range of directions, each row beginning with its own
    /// first direction.
    pub(crate) fn add_tile(
        &self,
        rows: &Sketch<'_>,
        group: [usize; ROWS],
        range: Range<usize>,
        firsts: [usize; ROWS],
        sums: &mut [f64; ROWS],
    ) {
        rows.add_squares(group, &self.sketch, range, firsts, sums);
    }

    /// As [`RoundedDirections::add_tile`], for many groups of rows and all directions.
    pub(crate) fn add_squares(
        &self,
        rows: &Sketch<'_>,
        groups: &[[usize; ROWS]],
        first: impl Fn(usize) -> usize,
        sums: &mut [[f64; ROWS]],
    ) {
        let from = groups.iter().flatten().map(|&row| first(row)).min().unwrap_or(0);
        for start in (from..self.len()).step_by(TILE) {
            let range = start..self.len().min(start + TILE);
            for (group, sums) in groups.iter().zip(&mut *sums) {
                self.add_tile(rows, *group, range.clone(), group.map(&first), sums);
            }
        }
    }

    /// Lower bound of the square root of the decrease of a variance along a range of directions. `sum` is the sum of
    /// the squared rounded products; the row has at most `length` and the rounding error `error`.
    pub(crate) fn fall(&self, range: Range<usize>, sum: f64, length: f64, error: f64) -> f64 {
        let rounding = (self.errors[range.end] - self.errors[range.start]).max(0.0).sqrt();
        let missing = error + (length + error) * rounding;
        (sum.sqrt() * (1.0 - FLOAT_ERROR) - missing).max(0.0)
    }
}
