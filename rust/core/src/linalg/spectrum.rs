//! Singular values and right singular vectors of many rows, without a matrix larger than features by features.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::linalg::append_rows;

/// Parts that many rows are divided into: a fixed number, so that the result does not depend on that of the threads.
const PARTS: usize = 8;

/// Singular values, largest first, and the vectors that belong to them as columns.
pub(crate) struct Spectrum {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Mat<f64>,
}

impl Spectrum {
    /// From `X^T X`. Its rounding errors are those of the largest square: singular values below about 1e-7 of the
    /// largest one are lost in them, and the vectors of values around 1e-4 have half of their digits.
    pub(crate) fn of_gram(gram: &Mat<f64>) -> Result<Self> {
        let eigen = gram.self_adjoint_eigen(faer::Side::Lower).map_err(|_| not_converged())?;
        let dim = gram.nrows();
        let squares = eigen.S().column_vector();
        let values = (0..dim).rev().map(|i| squares[i].max(0.0).sqrt()).collect();
        Ok(Self { values, vectors: eigen.U().reverse_cols().to_owned() })
    }

    /// From a triangular factor of the rows, which squares no condition number and takes longer.
    pub(crate) fn of_rows(matrices: &[(&'static str, &dyn Rows)]) -> Result<Self> {
        let dim = matrices.first().map_or(0, |(_, rows)| rows.dim());
        let mut factor = Mat::zeros(dim, dim);
        for (_, rows) in matrices {
            let block = (4 * dim).max(2048);
            let part = rows.len().div_ceil(PARTS).next_multiple_of(block);
            let starts: Vec<usize> = (0..rows.len()).step_by(part.max(1)).collect();
            let parts: Vec<Mat<f64>> = starts
                .into_par_iter()
                .map(|first| {
                    let mut factor = Mat::zeros(dim, dim);
                    let mut buffer = Vec::new();
                    for start in (first..rows.len().min(first + part)).step_by(block) {
                        let count = block.min(rows.len() - start);
                        buffer.resize(count * dim, 0.0);
                        for (index, row) in (start..).zip(buffer.chunks_exact_mut(dim)) {
                            rows.read(index, row);
                        }
                        append_rows(&mut factor, &mut buffer);
                    }
                    factor
                })
                .collect();
            for part in parts {
                append_rows(&mut factor, &mut row_major(part.as_ref()));
            }
        }
        let svd = factor.thin_svd().map_err(|_| not_converged())?;
        let values = svd.S().column_vector().iter().copied().collect();
        Ok(Self { values, vectors: svd.V().to_owned() })
    }
}

fn row_major(matrix: MatRef<'_, f64>) -> Vec<f64> {
    let dim = matrix.ncols();
    (0..matrix.nrows() * dim).map(|k| matrix[(k / dim, k % dim)]).collect()
}

fn not_converged() -> Error {
    Error::Shape("the singular values of the features did not converge: scale the features to moderate numbers".into())
}
