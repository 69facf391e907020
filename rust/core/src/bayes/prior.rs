//! The prior precision of the weights.

use faer::{Mat, Side};

use crate::error::{Error, Result};

/// Prior precision of the weights: the inverse of their prior covariance.
#[derive(Clone, Debug, PartialEq)]
pub enum Prior {
    /// The same precision for every weight: a multiple of the identity.
    Isotropic(f64),
    /// A precision for each weight: a diagonal matrix.
    Diagonal(Vec<f64>),
    /// The whole matrix, row after row.
    Full(Vec<f64>),
}

impl Prior {
    /// An upper triangular `R` with `R^T R` the prior precision.
    pub(crate) fn factor(&self, dim: usize) -> Result<Mat<f64>> {
        let diagonal = |values: &dyn Fn(usize) -> f64| -> Result<Mat<f64>> {
            if let Some(i) = (0..dim).find(|&i| !(values(i) > 0.0 && values(i).is_finite())) {
                return Err(Error::SingularPrior(format!(
                    "expected precisions above 0, feature {i} has {}",
                    values(i)
                )));
            }
            Ok(Mat::from_fn(dim, dim, |i, j| if i == j { values(i).sqrt() } else { 0.0 }))
        };
        match self {
            Self::Isotropic(alpha) => diagonal(&|_| *alpha),
            Self::Diagonal(alphas) => {
                if alphas.len() != dim {
                    return Err(Error::Dimension { what: "the prior precision", expected: dim, given: alphas.len() });
                }
                diagonal(&|i| alphas[i])
            }
            Self::Full(matrix) => {
                if Some(matrix.len()) != dim.checked_mul(dim) {
                    return Err(Error::Shape(format!(
                        "a full prior precision of {dim} features has {dim} x {dim} elements, given {}",
                        matrix.len()
                    )));
                }
                full_factor(matrix, dim)
            }
        }
    }

    /// `tr(P_0 S S^T)` with the prior precision `P_0` and a posterior covariance `S S^T`, given `S` upper triangular.
    pub(crate) fn trace_with(&self, inverse: &Mat<f64>) -> f64 {
        let dim = inverse.nrows();
        let row_norm = |i: usize| (i..dim).map(|j| inverse[(i, j)].powi(2)).sum::<f64>();
        match self {
            Self::Isotropic(alpha) => alpha * (0..dim).map(row_norm).sum::<f64>(),
            Self::Diagonal(alphas) => (0..dim).map(|i| alphas[i] * row_norm(i)).sum(),
            Self::Full(matrix) => {
                let prior = faer::MatRef::from_row_major_slice(matrix, dim, dim);
                let product = prior * inverse;
                (0..dim).map(|i| (i..dim).map(|j| product[(i, j)] * inverse[(i, j)]).sum::<f64>()).sum()
            }
        }
    }
}

fn full_factor(matrix: &[f64], dim: usize) -> Result<Mat<f64>> {
    if matrix.iter().any(|v| !v.is_finite()) {
        return Err(Error::SingularPrior("the prior precision has an element that is not finite".into()));
    }
    let view = faer::MatRef::from_row_major_slice(matrix, dim, dim);
    for i in 0..dim {
        for j in 0..i {
            let (a, b) = (view[(i, j)], view[(j, i)]);
            if (a - b).abs() > 1e-8 * (view[(i, i)] * view[(j, j)]).abs().sqrt() {
                return Err(Error::SingularPrior(format!(
                    "the prior precision is not symmetric: elements ({i}, {j}) and ({j}, {i}) are {a} and {b}"
                )));
            }
        }
    }
    let cholesky = view
        .llt(Side::Lower)
        .map_err(|_| Error::SingularPrior("the prior precision is not positive definite".into()))?;
    let lower = cholesky.L();
    // Because of rounding, a singular matrix may have a factor with a tiny last pivot.
    let pivots = (0..dim).map(|i| lower[(i, i)].powi(2) / view[(i, i)]);
    if let Some((i, _)) = pivots.enumerate().find(|&(_, p)| p.is_nan() || p < 1e-14) {
        return Err(Error::SingularPrior(format!(
            "row {i} of the prior precision is a combination of the rows before it"
        )));
    }
    Ok(Mat::from_fn(dim, dim, |i, j| if i <= j { lower[(j, i)] } else { 0.0 }))
}
