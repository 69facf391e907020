//! Columns divided by their standard deviation, for methods that measure distances.
//!
//! Features of atomic descriptors differ in size by orders of magnitude, and a few large ones would dominate a
//! Euclidean distance.

use std::ops::Range;

use rayon::prelude::*;

use crate::data::rows::{Rows, in_blocks};
use crate::error::{Error, Result};

/// Number of rows in a partial sum: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;

/// Steps of the element type, at the size of a column, that a spread has to exceed: what is stored is rounded to a step.
const STORED: f64 = 8.0;

/// Steps of float64, at the size of all columns, that a spread has to exceed: features are sums of terms of that size, and
/// one that vanishes by symmetry is the rounding of its terms.
const COMPUTED: f64 = 1024.0;

/// The inverse standard deviation of each column over the rows of all matrices, or 1 for a column whose spread is rounding;
/// see [`moments_of_sums`].
///
/// # Errors
/// [`Error::Dimension`] if the matrices differ in width, [`Error::NotFinite`] with the matrix and its first row that
/// has a NaN or an infinity, [`Error::EmptyPool`] if there is no row.
pub fn standard_scales(matrices: &[(&'static str, &dyn Rows)]) -> Result<Vec<f64>> {
    let Some((first, dim)) = matrices.iter().find(|(_, rows)| !rows.is_empty()).map(|(_, rows)| (rows, rows.dim()))
    else {
        return Err(Error::EmptyPool);
    };
    // Sums of deviations from the first row round less than sums of the values, whose mean may be large.
    let mut origin = vec![0.0; dim];
    first.read(0, &mut origin);
    let (mut parts, mut count) = (Vec::new(), 0);
    for &(what, rows) in matrices {
        if rows.dim() != dim {
            return Err(Error::Dimension { what, expected: dim, given: rows.dim() });
        }
        parts.push(column_sums(what, rows, &origin)?);
        count += rows.len();
    }
    let is_single = matrices.iter().any(|(_, rows)| !rows.is_empty() && rows.is_single());
    Ok(moments_of_sums(&parts, count, &origin, is_single).scales)
}

/// The spread and the size of each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Inverse standard deviations, or 1 where the spread is rounding.
    pub scales: Vec<f64>,
    /// Whether the spread is more than rounding.
    pub varies: Vec<bool>,
    /// Mean squares.
    pub mean_squares: Vec<f64>,
}

/// The moments of `count` rows in parts, from the [`column_sums`] of each part with the same origin. `is_single` tells
/// rows that were stored as float32.
///
/// A spread is rounding up to 8 steps of the
/// element type at the root mean square of the column, or up to 1024 steps of float64 at the root mean square of
/// all columns.
pub fn moments_of_sums(parts: &[(Vec<f64>, Vec<f64>)], count: usize, origin: &[f64], is_single: bool) -> Moments {
    let (mut sums, mut squares, count) = (vec![0.0; origin.len()], vec![0.0; origin.len()], count as f64);
    for (own_sums, own_squares) in parts {
        sums.iter_mut().zip(own_sums).for_each(|(a, b)| *a += b);
        squares.iter_mut().zip(own_squares).for_each(|(a, b)| *a += b);
    }
    let shifts = sums.iter().map(|sum| sum / count).zip(squares.iter().map(|square| square / count));
    let columns: Vec<Column> = shifts.zip(origin).map(|((mean, square), &x)| Column::new(mean, square, x)).collect();
    let all = columns.iter().map(|column| column.mean_square).sum::<f64>() / origin.len() as f64;
    let step = if is_single { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let (part, least) = ((STORED * step).powi(2), (COMPUTED * f64::EPSILON).powi(2) * all);
    let varies: Vec<bool> = columns.iter().map(|column| column.varies(part, least)).collect();
    let scale = |(column, &varies): (&Column, &bool)| if varies { 1.0 / column.variance.sqrt() } else { 1.0 };
    Moments {
        scales: columns.iter().zip(&varies).map(scale).collect(),
        mean_squares: columns.iter().map(|column| column.mean_square).collect(),
        varies,
    }
}

/// The sum over the rows of the deviation of each column from `origin`, and the sum of its square.
///
/// # Errors
/// [`Error::Dimension`] unless the origin is as long as a row, [`Error::NotFinite`] with the first row that has a NaN or an
/// infinity.
pub fn column_sums(what: &'static str, rows: &dyn Rows, origin: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    if rows.dim() != origin.len() {
        return Err(Error::Dimension { what: "the origin", expected: rows.dim(), given: origin.len() });
    }
    let (mut sums, mut squares) = (vec![0.0; origin.len()], vec![0.0; origin.len()]);
    in_blocks(rows, CHUNK, |block| {
        let chunks: Vec<SumsOrBadRow> = (block.start..block.end)
            .into_par_iter()
            .step_by(CHUNK)
            .map(|first| sum_up(rows, first..block.end.min(first + CHUNK), origin))
            .collect();
        for chunk in chunks {
            let (chunk_sums, chunk_squares) = chunk.map_err(|row| Error::NotFinite { what, row })?;
            sums.iter_mut().zip(chunk_sums).for_each(|(a, b)| *a += b);
            squares.iter_mut().zip(chunk_squares).for_each(|(a, b)| *a += b);
        }
        Ok(())
    })?;
    Ok((sums, squares))
}

/// Sums of the deviations from the origin and of their squares, or the first row that is not finite.
type SumsOrBadRow = std::result::Result<(Vec<f64>, Vec<f64>), usize>;

fn sum_up(rows: &dyn Rows, range: Range<usize>, origin: &[f64]) -> SumsOrBadRow {
    let mut row = vec![0.0; origin.len()];
    let (mut sums, mut squares) = (row.clone(), row.clone());
    for index in range {
        rows.read(index, &mut row);
        let mut finite = true;
        for (k, x) in row.iter().enumerate() {
            let shifted = x - origin[k];
            finite &= shifted.is_finite();
            sums[k] += shifted;
            squares[k] += shifted * shifted;
        }
        if !finite {
            return Err(index);
        }
    }
    Ok((sums, squares))
}

/// How large the elements of a column are, and how far they spread.
struct Column {
    mean_square: f64,
    variance: f64,
    /// The variance that rounding of the sums makes of a constant.
    rest: f64,
}

impl Column {
    /// From the mean of what elements differ from `origin` by, and the mean of the squares of that.
    fn new(mean: f64, square: f64, origin: f64) -> Self {
        let mean_square = square + origin * (2.0 * mean + origin);
        Self { mean_square, variance: square - mean * mean, rest: 1e-14 * square }
    }

    /// Whether the variance is more than a part of the mean square, and than `least`.
    fn varies(&self, part: f64, least: f64) -> bool {
        self.variance > self.rest.max(part * self.mean_square).max(least)
    }
}

/// Rows whose columns are multiplied by factors when they are read.
#[derive(Clone, Copy)]
pub struct Scaled<'a> {
    rows: &'a dyn Rows,
    factors: &'a [f64],
}

impl<'a> Scaled<'a> {
    /// Multiply column `k` of `rows` by `factors[k]`.
    ///
    /// # Errors
    /// [`Error::Dimension`] unless there is one factor for each column.
    pub fn new(rows: &'a dyn Rows, factors: &'a [f64]) -> Result<Self> {
        match rows.dim() == factors.len() {
            true => Ok(Self { rows, factors }),
            false => Err(Error::Dimension { what: "the scales", expected: rows.dim(), given: factors.len() }),
        }
    }
}

impl Rows for Scaled<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn read(&self, index: usize, out: &mut [f64]) {
        self.rows.read(index, out);
        out.iter_mut().zip(self.factors).for_each(|(x, factor)| *x *= factor);
    }

    fn expect(&self, rows: Range<usize>) {
        self.rows.expect(rows);
    }

    fn release(&self, rows: Range<usize>) {
        self.rows.release(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;

    #[test]
    fn scaled_columns_have_unit_variance() {
        let (len, dim) = (3000, 5);
        let value = |k: usize| ((k / dim) as f64 * 1.7 + k as f64).sin() * 10_f64.powi((k % dim) as i32 * 2) + 1e3;
        let mut data: Vec<f64> = (0..len * dim).map(value).collect();
        data.iter_mut().step_by(dim).for_each(|x| *x = 0.1);
        let (a, b) = data.split_at(1000 * dim);
        let (a, b) = (View::new(a, 1000, dim).unwrap(), View::new(b, 2000, dim).unwrap());
        let scales = standard_scales(&[("a", &a), ("b", &b)]).unwrap();
        assert_eq!(scales[0], 1.0);
        let all = View::new(&data, len, dim).unwrap();
        let scaled = Scaled::new(&all, &scales).unwrap();
        let mut row = vec![0.0; dim];
        let columns: Vec<Vec<f64>> = (0..len)
            .map(|i| {
                scaled.read(i, &mut row);
                row.clone()
            })
            .collect();
        for k in 1..dim {
            let mean = columns.iter().map(|row| row[k]).sum::<f64>() / len as f64;
            let variance = columns.iter().map(|row| (row[k] - mean).powi(2)).sum::<f64>() / len as f64;
            assert!((variance - 1.0).abs() < 1e-9, "{k} {variance}");
        }
    }

    /// Rows with one column that varies and others that are rounding, of their own size or of that of the first.
    fn noisy(step: f64) -> Vec<f64> {
        let noise = |i: usize| [0.0, 1.0, -1.0, 2.0][i % 4] * step;
        (0..40).flat_map(|i| [5.0 + i as f64, 1e3 * (1.0 + noise(i)), noise(i + 1)]).collect()
    }

    #[test]
    fn rounding_is_no_feature() {
        let data = noisy(f64::EPSILON);
        let scales = standard_scales(&[("a", &View::new(&data, 40, 3).unwrap())]).unwrap();
        assert_eq!([scales[1], scales[2]], [1.0; 2]);
        assert!((scales[0] * (399.75_f64 / 3.0).sqrt() - 1.0).abs() < 1e-12);
        let single: Vec<f32> = noisy(f64::from(f32::EPSILON)).into_iter().map(|x| x as f32).collect();
        let of_single = standard_scales(&[("a", &View::new(&single, 40, 3).unwrap())]).unwrap();
        assert_eq!(of_single[..2], scales[..2]);
        // float32 that was computed as float64 holds small numbers as exactly as large ones.
        assert!(of_single[2] > 1e6);
        let data: Vec<f64> = noisy(1e-9);
        let small = standard_scales(&[("a", &View::new(&data, 40, 3).unwrap())]).unwrap();
        assert!(small[1] > 1e5 && small[2] > 1e8, "{small:?}");
    }

    #[test]
    fn refuses_what_has_no_deviation() {
        let bad = [1.0, 2.0, f64::NAN, 1.0];
        let view = View::new(&bad, 2, 2).unwrap();
        assert!(matches!(standard_scales(&[("a", &view)]), Err(Error::NotFinite { what: "a", row: 1 })));
        assert!(matches!(standard_scales(&[]), Err(Error::EmptyPool)));
        assert!(Scaled::new(&view, &[1.0]).is_err());
    }
}
