//! The mean square `M` of the target rows, as a triangular factor.

use faer::{Mat, Side};

use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::RunningPosterior;
use crate::data::rows::Rows;
use crate::linalg::{Panels, append_rows, invert};

/// Errors of eigenvalues, relative to the largest.
const EIGEN_ERROR: f64 = 1e-12;

/// `M`, the mean of `t t^T` over the target rows `t`.
pub(super) struct Target {
    /// Upper triangular, `T^T T = M`.
    factor: Mat<f64>,
}

/// `A = S^T M S`, with `S` the factor of a covariance `Sigma = S S^T`.
pub(super) struct Whitened {
    /// Directions whose squared products with `y` sum to `y^T A y`, for any `y`.
    pub(super) directions: Panels,
    /// An upper bound of the largest eigenvalue of `A`.
    pub(super) largest: f64,
}

impl Target {
    pub(super) fn of_rows(rows: &dyn Rows) -> Self {
        let dim = rows.dim();
        let mut factor = Mat::zeros(dim, dim);
        let scale = 1.0 / (rows.len() as f64).sqrt();
        let step = 4 * dim;
        let mut block = Vec::new();
        for first in (0..rows.len()).step_by(step) {
            let count = step.min(rows.len() - first);
            block.resize(count * dim, 0.0);
            for (k, out) in block.chunks_exact_mut(dim).enumerate() {
                rows.read(first + k, out);
                out.iter_mut().for_each(|x| *x *= scale);
            }
            rows.release(first..first + count);
            append_rows(&mut factor, &mut block);
        }
        Self { factor }
    }

    /// The target whose whitened mean square `A` is given, with the factor `S` of the covariance of a posterior.
    ///
    /// Forming `A` squares no condition number that matters: its rows are in units of the uncertainty.
    pub(super) fn of_whitened(square: &Mat<f64>, posterior: &Posterior) -> Self {
        // The rows of a square root C of A, then a triangle with the same square as C S^-1.
        let dim = square.nrows();
        let root = square_root(square) * posterior.factor();
        let mut rows: Vec<f64> = (0..dim * dim).map(|k| root[(k / dim, k % dim)]).collect();
        let mut factor = Mat::zeros(dim, dim);
        append_rows(&mut factor, &mut rows);
        Self { factor }
    }

    /// `M w`.
    pub(super) fn times(&self, w: &[f64]) -> Vec<f64> {
        let w = faer::ColRef::from_slice(w);
        let product = self.factor.transpose() * (&self.factor * w);
        product.iter().copied().collect()
    }

    /// Directions whose squared products with any row `x` sum to `x^T Sigma M Sigma x`.
    pub(super) fn seen_from_rows(&self, posterior: &Posterior) -> Panels {
        let inverse = invert(posterior.factor());
        // The columns of Sigma T^T.
        let directions = &inverse * (inverse.transpose() * self.factor.transpose());
        Panels::dense(directions.as_ref())
    }

    /// The target in the coordinates `y = S^T x`.
    pub(super) fn whitened(&self, posterior: &Posterior) -> Whitened {
        let root = &self.factor * invert(posterior.factor());
        let square = root.transpose() * &root;
        Whitened { directions: Panels::rotated(root.transpose()), largest: largest_eigenvalue(&square) }
    }

    /// Directions whose squared products with `z` sum to `z^T S^T M S z`, with `S` the factor of
    /// [`RunningPosterior::base`].
    pub(super) fn seen_from_base(&self, posterior: &RunningPosterior) -> Panels {
        let root = &self.factor * invert(posterior.base_posterior().factor());
        Panels::rotated(root.transpose())
    }
}

/// An upper bound of the largest eigenvalue of a symmetric matrix without negative eigenvalues.
pub(super) fn largest_eigenvalue(square: &Mat<f64>) -> f64 {
    let trace: f64 = (0..square.nrows()).map(|k| square[(k, k)]).sum();
    match square.self_adjoint_eigenvalues(Side::Lower) {
        Ok(values) => values.last().copied().unwrap_or(0.0).max(0.0) + EIGEN_ERROR * trace,
        // The trace bounds the largest eigenvalue.
        Err(_) => trace,
    }
}

/// A matrix `C` with `C^T C` the given symmetric matrix, whose negative eigenvalues are rounding errors.
fn square_root(square: &Mat<f64>) -> Mat<f64> {
    let dim = square.nrows();
    let Ok(eigen) = square.self_adjoint_eigen(Side::Lower) else { return Mat::full(dim, dim, f64::NAN) };
    let values = eigen.S().column_vector();
    Mat::from_fn(dim, dim, |i, j| values[i].max(0.0).sqrt() * eigen.U()[(j, i)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;
    use crate::linalg::gram;

    #[test]
    fn both_ways_give_the_same_mean_square() {
        let (len, dim) = (40, 7);
        // The last two columns depend on the others.
        let value = |i: usize, j: usize| ((i * dim + j % 5) as f64 * 12.9898).sin() * 10_f64.powi(-(j as i32));
        let data: Vec<f64> = (0..len * dim).map(|k| value(k / dim, k % dim)).collect();
        let rows = View::new(&data, len, dim).unwrap();
        let mut posterior = Posterior::isotropic(dim, 1e-3, 1.0).unwrap();
        posterior.update(&View::new(&data[..3 * dim], 3, dim).unwrap()).unwrap();
        let inverse = invert(posterior.factor());
        let mean = gram(&[("the rows", &rows)]).unwrap() * faer::Scale(1.0 / len as f64);
        let square = inverse.transpose() * &mean * &inverse;
        let w: Vec<f64> = (0..dim).map(|k| (k as f64).cos()).collect();
        for target in [Target::of_rows(&rows), Target::of_whitened(&square, &posterior)] {
            for (i, found) in target.times(&w).into_iter().enumerate() {
                let expected: f64 = (0..dim).map(|j| mean[(i, j)] * w[j]).sum();
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
            let whitened = target.whitened(&posterior);
            let trace: f64 = (0..dim).map(|k| square[(k, k)]).sum();
            assert!(whitened.largest <= trace * (1.0 + 1e-9) && whitened.largest * dim as f64 >= trace);
            let expected: f64 = (0..dim).map(|i| (0..dim).map(|j| w[i] * square[(i, j)] * w[j]).sum::<f64>()).sum();
            let found: f64 = whitened.directions.project(&w).iter().map(|p| p * p).sum();
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{found} {expected}");
            assert!(found <= whitened.largest * w.iter().map(|w| w * w).sum::<f64>());
        }
    }
}
