//! Upper triangular factors `R` of a precision matrix `P = R^T R`.
//!
//! Rows are added by orthogonal transformations, so the condition number is never squared.

use faer::linalg::triangular_inverse::invert_upper_triangular;
use faer::{Mat, MatRef, Par};

/// Number of rows up to which rotating them in one by one costs less than a new factorisation.
const ROTATED_ROWS: usize = 16;

/// The factor of `R^T R + A^T A`, where `rows` holds the rows of `A` one after the other.
pub(crate) fn append_rows(factor: &mut Mat<f64>, rows: &mut [f64]) {
    let dim = factor.nrows();
    if rows.len() <= ROTATED_ROWS * dim {
        rows.chunks_exact_mut(dim).for_each(|row| rotate_in(factor, row));
    } else {
        // Taller blocks spend less work on the triangle above them, shorter ones need less memory.
        for block in rows.chunks((4 * dim).max(2048) * dim) {
            let block = MatRef::from_row_major_slice(block, block.len() / dim, dim);
            refactor(factor, block);
        }
    }
}

/// The rows of the triangle `R` of `R^T R = A^T A`, or those of `A` itself if there are no more than columns.
pub(crate) fn triangle_of(rows: &[f64], dim: usize) -> Vec<f64> {
    let count = rows.len() / dim;
    if count <= dim {
        return rows.to_vec();
    }
    let qr = MatRef::from_row_major_slice(rows, count, dim).qr();
    let triangle = qr.thin_R();
    (0..dim * dim).map(|k| if k % dim >= k / dim { triangle[(k / dim, k % dim)] } else { 0.0 }).collect()
}

fn refactor(factor: &mut Mat<f64>, rows: MatRef<'_, f64>) {
    let dim = factor.nrows();
    let mut stacked = Mat::zeros(dim + rows.nrows(), dim);
    stacked.get_mut(..dim, ..).copy_from(&*factor);
    stacked.get_mut(dim.., ..).copy_from(rows);
    let qr = stacked.qr();
    let triangle = qr.thin_R();
    for row in 0..dim {
        let sign = if triangle[(row, row)] < 0.0 { -1.0 } else { 1.0 };
        for column in row..dim {
            factor[(row, column)] = sign * triangle[(row, column)];
        }
    }
}

/// Givens rotations that turn `[R; x^T]` into a triangle, found and applied column by column.
fn rotate_in(factor: &mut Mat<f64>, x: &mut [f64]) {
    let dim = factor.nrows();
    let mut rotations = Vec::with_capacity(dim);
    for column in 0..dim {
        let entries = factor.col_as_slice_mut(column);
        let mut rest = x[column];
        for (entry, &(c, s)) in entries.iter_mut().zip(&rotations) {
            (*entry, rest) = (c * *entry + s * rest, c * rest - s * *entry);
        }
        let diagonal = entries[column];
        let norm = diagonal.hypot(rest);
        rotations.push(if norm > 0.0 { (diagonal / norm, rest / norm) } else { (1.0, 0.0) });
        entries[column] = norm;
    }
}

/// The product of an upper triangular matrix and a vector.
pub(crate) fn upper_times(factor: &Mat<f64>, v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; v.len()];
    for (column, &v) in v.iter().enumerate() {
        let entries = &factor.col_as_slice(column)[..=column];
        out.iter_mut().zip(entries).for_each(|(out, r)| *out += r * v);
    }
    out
}

/// The inverse of an upper triangular matrix with a non-zero diagonal.
pub(crate) fn invert(factor: &Mat<f64>) -> Mat<f64> {
    let mut inverse = Mat::zeros(factor.nrows(), factor.ncols());
    invert_upper_triangular(inverse.as_mut(), factor.as_ref(), Par::Seq);
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_by_one_and_all_at_once_agree_with_the_gram_matrix() {
        for (dim, rows) in [(1, 3), (5, 2), (7, 40), (12, 200)] {
            let data: Vec<f64> = (0..rows * dim).map(|i| (i as f64 * 0.37).sin()).collect();
            let start = Mat::from_fn(dim, dim, |i, j| if i == j { 0.5 } else { 0.0 });
            let mut expected = start.transpose() * &start;
            for row in data.chunks(dim) {
                for i in 0..dim {
                    for j in 0..dim {
                        expected[(i, j)] += row[i] * row[j];
                    }
                }
            }
            let (mut rotated, mut refactored, mut appended) = (start.clone(), start.clone(), start);
            data.clone().chunks_exact_mut(dim).for_each(|row| rotate_in(&mut rotated, row));
            refactor(&mut refactored, MatRef::from_row_major_slice(&data, rows, dim));
            append_rows(&mut appended, &mut data.clone());
            for factor in [&rotated, &refactored, &appended] {
                let gram = factor.transpose() * factor;
                let identity = factor * invert(factor);
                for i in 0..dim {
                    for j in 0..dim {
                        assert!((gram[(i, j)] - expected[(i, j)]).abs() < 1e-11);
                        assert!((identity[(i, j)] - if i == j { 1.0 } else { 0.0 }).abs() < 1e-11);
                    }
                }
            }
        }
    }
}
