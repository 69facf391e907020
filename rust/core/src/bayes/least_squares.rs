//! Linear least squares, row by row, in the memory of one triangular matrix.
//!
//! For rows `A` and targets `y`, `[A y] = Q [R z; 0 rho]`. The weights, their covariance, the evidence and the residual
//! depend only on this triangle. It is updated by orthogonal transformations; normal equations would square the
//! condition number.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::linalg::{append_rows, triangle_of};

/// Number of parts of pending rows that are reduced in parallel before they are added to the triangle.
const PARTS: usize = 4;

/// The triangle of all rows and targets so far.
#[derive(Clone, Debug)]
pub struct LeastSquares {
    /// `[R z; 0 rho]`.
    factor: Mat<f64>,
    count: usize,
    /// Rows with their targets, row after row, that are not part of the triangle yet.
    pending: Vec<f64>,
}

impl LeastSquares {
    /// Begin without rows, with `dim` features.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no feature.
    pub fn new(dim: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::Parameter { name: "the number of features", expected: "at least 1", given: "0".into() });
        }
        Ok(Self { factor: Mat::zeros(dim + 1, dim + 1), count: 0, pending: Vec::new() })
    }

    /// From a [`LeastSquares::triangle`] and the number of rows in it.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is not an upper triangle of finite numbers.
    pub fn from_triangle(triangle: &[f64], count: usize) -> Result<Self> {
        let width = triangle.len().isqrt();
        let view = (width * width == triangle.len() && width > 1)
            .then(|| MatRef::from_row_major_slice(triangle, width, width))
            .filter(|view| {
                (0..width).all(|i| (0..width).all(|j| view[(i, j)].is_finite() && (j >= i || view[(i, j)] == 0.0)))
            });
        match view {
            Some(view) => Ok(Self { factor: view.to_owned(), count, pending: Vec::new() }),
            None => Err(Error::Shape("expected an upper triangle of finite numbers".into())),
        }
    }

    /// Number of features.
    pub fn dim(&self) -> usize {
        self.factor.nrows() - 1
    }

    /// Number of rows so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Add rows and their targets, each multiplied by its weight.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::Shape`] if there are not as many targets and weights as rows, or
    /// [`Error::NotFinite`]; nothing is added then.
    pub fn add(&mut self, rows: &dyn Rows, targets: &[f64], weights: &[f64]) -> Result<()> {
        let dim = self.dim();
        if rows.dim() != dim {
            return Err(Error::Dimension { what: "the matrix of rows", expected: dim, given: rows.dim() });
        }
        if targets.len() != rows.len() || weights.len() != rows.len() {
            return Err(Error::Shape(format!(
                "expected a target and a weight for each of {} rows, given {} and {}",
                rows.len(),
                targets.len(),
                weights.len()
            )));
        }
        let start = self.pending.len();
        self.pending.resize(start + rows.len() * (dim + 1), 0.0);
        for (k, out) in self.pending[start..].chunks_exact_mut(dim + 1).enumerate() {
            rows.read(k, &mut out[..dim]);
            out[dim] = targets[k];
            out.iter_mut().for_each(|x| *x *= weights[k]);
        }
        let bad = self.pending[start..].chunks_exact(dim + 1).position(|row| row.iter().any(|x| !x.is_finite()));
        if let Some(row) = bad {
            self.pending.truncate(start);
            return Err(Error::NotFinite { what: "the rows and targets", row });
        }
        self.count += rows.len();
        self.settle_if_many();
        Ok(())
    }

    /// Add the rows of another instance.
    ///
    /// # Errors
    /// [`Error::Dimension`] if the numbers of features differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.dim() != self.dim() {
            return Err(Error::Dimension { what: "the other triangle", expected: self.dim(), given: other.dim() });
        }
        let width = self.factor.nrows();
        self.pending.extend_from_slice(&other.pending);
        if other.count > other.pending.len() / width {
            self.pending.extend((0..width * width).map(|k| other.factor[(k / width, k % width)]));
        }
        self.count += other.count;
        self.settle_if_many();
        Ok(())
    }

    /// `[R z; 0 rho]`, row after row.
    pub fn triangle(&mut self) -> Vec<f64> {
        self.settle();
        let width = self.factor.nrows();
        (0..width * width).map(|k| self.factor[(k / width, k % width)]).collect()
    }

    /// The sum of squared residuals of a model with these weights.
    ///
    /// # Errors
    /// [`Error::Dimension`] if there is not one weight for each feature.
    pub fn squared_error(&mut self, weights: &[f64]) -> Result<f64> {
        let dim = self.dim();
        if weights.len() != dim {
            return Err(Error::Dimension { what: "the weights", expected: dim, given: weights.len() });
        }
        self.settle();
        let missed = |i: usize| (i..dim).map(|j| self.factor[(i, j)] * weights[j]).sum::<f64>() - self.factor[(i, dim)];
        Ok((0..dim).map(|i| missed(i).powi(2)).sum::<f64>() + self.factor[(dim, dim)].powi(2))
    }

    fn settle_if_many(&mut self) {
        if self.pending.len() >= PARTS * self.part() {
            self.settle();
        }
    }

    /// Add pending rows to the triangle.
    fn settle(&mut self) {
        let width = self.factor.nrows();
        let pending = std::mem::take(&mut self.pending);
        let parts: Vec<Vec<f64>> = pending.par_chunks(self.part()).map(|part| triangle_of(part, width)).collect();
        if !parts.is_empty() {
            append_rows(&mut self.factor, &mut parts.concat());
        }
    }

    /// Number of elements in a part: fixed, so that the triangle does not depend on the number of threads.
    fn part(&self) -> usize {
        let width = self.factor.nrows();
        (4 * width).max(2048) * width
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::View;

    fn data(count: usize, seed: u32) -> Vec<f64> {
        (0..count).map(|i| (f64::from(seed) + i as f64 * 1.7).sin()).collect()
    }

    proptest! {
        #[test]
        fn the_triangle_is_that_of_all_rows(
            dim in 1_usize..6, counts in prop::collection::vec(0_usize..40, 1..6), seed in 0_u32..1000,
        ) {
            let (mut whole, mut merged) = (LeastSquares::new(dim).unwrap(), LeastSquares::new(dim).unwrap());
            let width = dim + 1;
            let mut gram = vec![0.0; width * width];
            let mut total = 0.0;
            let model = data(dim, seed + 7);
            for (k, &count) in counts.iter().enumerate() {
                let (rows, targets) = (data(count * dim, seed + 31 * k as u32), data(count, seed + 5 + k as u32));
                let weights: Vec<f64> = data(count, seed + 3).iter().map(|x| 1.0 + x * x).collect();
                let view = View::new(&rows, count, dim).unwrap();
                whole.add(&view, &targets, &weights).unwrap();
                let mut part = LeastSquares::new(dim).unwrap();
                part.add(&view, &targets, &weights).unwrap();
                merged.merge(&part).unwrap();
                for r in 0..count {
                    let row: Vec<f64> = (0..dim).map(|j| rows[r * dim + j]).chain([targets[r]]).map(|x| x * weights[r]).collect();
                    (0..width * width).for_each(|k| gram[k] += row[k / width] * row[k % width]);
                    total += ((0..dim).map(|j| row[j] * model[j]).sum::<f64>() - row[dim]).powi(2);
                }
            }
            prop_assert_eq!(whole.count(), counts.iter().sum::<usize>());
            for sums in [&mut whole, &mut merged] {
                let t = sums.triangle();
                for i in 0..width {
                    for j in 0..width {
                        let product: f64 = (0..width).map(|k| t[k * width + i] * t[k * width + j]).sum();
                        prop_assert!((product - gram[i * width + j]).abs() < 1e-10);
                        prop_assert!(j >= i || t[i * width + j] == 0.0);
                    }
                }
                prop_assert!((sums.squared_error(&model).unwrap() - total).abs() < 1e-9 * (1.0 + total));
                let mut again = LeastSquares::from_triangle(&t, sums.count()).unwrap();
                prop_assert_eq!(again.triangle(), t);
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut sums = LeastSquares::new(2).unwrap();
        let rows = [1.0, 2.0, f64::NAN, 1.0];
        let view = View::new(&rows, 2, 2).unwrap();
        assert!(matches!(sums.add(&view, &[1.0, 1.0], &[1.0, 1.0]), Err(Error::NotFinite { row: 1, .. })));
        assert!(matches!(sums.add(&view, &[1.0], &[1.0, 1.0]), Err(Error::Shape(_))));
        assert_eq!((sums.count(), sums.triangle()), (0, vec![0.0; 9]));
        assert!(LeastSquares::new(0).is_err());
        assert!(LeastSquares::from_triangle(&[1.0, 0.0, 1.0, 1.0], 3).is_err());
        assert!(sums.squared_error(&[1.0]).is_err());
    }
}
