//! The mean square of all features, which is the unit of prior precisions, and the check that features are finite.

use rayon::prelude::*;

use crate::data::rows::Rows;
use crate::data::spans::in_spans;
use crate::error::{Error, Result};

/// The sum of squares, in eight independent sums that a processor can add in parallel.
fn sum_of_squares(row: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for part in row.chunks(sums.len()) {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += x * x;
        }
    }
    sums.iter().sum()
}

/// Mean square of the elements of several matrices together: `tr(X^T X) / (rows * dim)`.
///
/// # Errors
/// [`Error::NotFinite`] names the matrix and the first of its rows with a NaN or an infinity, [`Error::TooLarge`] the first
/// whose squares are not finite.
pub fn mean_square(matrices: &[(&'static str, &dyn Rows)]) -> Result<f64> {
    const CHUNK: usize = 256;
    let (mut total, mut elements) = (0.0, 0.0);
    for &(what, rows) in matrices {
        let dim = rows.dim();
        let mut norms = Vec::with_capacity(rows.len());
        in_spans(rows, |span, _| {
            let own = (0..span.len()).into_par_iter().with_min_len(CHUNK).map_init(
                || vec![0.0; dim],
                |row, index| {
                    span.read(index, row);
                    sum_of_squares(row)
                },
            );
            norms.par_extend(own);
        });
        if let Some(row) = norms.iter().position(|n| !n.is_finite()) {
            return Err(Error::of_row(what, row, rows));
        }
        total += norms.iter().sum::<f64>();
        elements += rows.len() as f64 * dim as f64;
    }
    Ok(if elements > 0.0 { total / elements } else { 0.0 })
}
