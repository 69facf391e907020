//! The rows for distances: centred, in float32, the pool followed by the core.

use rayon::prelude::*;

use crate::data::rows::Rows;
use crate::distance::screen::distance;
use crate::error::{Error, Result};

/// Number of rows in a partial sum: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;
/// Rows are padded with zeros to a multiple of this many elements: a register of AVX2.
const WIDTH: usize = 8;

/// Centred rows in float32.
pub(super) struct Points {
    dim: usize,
    stride: usize,
    data: Vec<f32>,
    /// Power of two by which rows are divided, so that no square overflows.
    unit: f64,
    /// Bound on the length of a row.
    radius: f32,
}

impl Points {
    /// Bytes of `len` rows.
    pub(super) fn bytes(len: usize, dim: usize) -> usize {
        len * dim.next_multiple_of(WIDTH) * size_of::<f32>()
    }

    /// Read the rows of the pool, then those of the core.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first row that has a NaN or an infinity.
    pub(super) fn new(pool: &dyn Rows, core: &dyn Rows) -> Result<Self> {
        // Subtracting the mean changes no distance and reduces rounding.
        let origin = mean(pool)?;
        let largest = largest(pool, "the pool", &origin)?.max(largest(core, "the core", &origin)?);
        let unit = if largest > 0.0 { largest.log2().ceil().exp2() } else { 1.0 };
        let dim = pool.dim();
        let stride = dim.next_multiple_of(WIDTH);
        let mut data = vec![0.0; (pool.len() + core.len()) * stride];
        let (first, second) = data.split_at_mut(pool.len() * stride);
        for (rows, out) in [(pool, first), (core, second)] {
            out.par_chunks_mut(stride).enumerate().for_each_init(
                || vec![0.0; dim],
                |row, (index, out)| {
                    rows.read(index, row);
                    for ((out, x), mean) in out.iter_mut().zip(row.iter()).zip(&origin) {
                        *out = ((x - mean) / unit) as f32;
                    }
                },
            );
        }
        let mut points = Self { dim, stride, data, unit, radius: 0.0 };
        let zero = vec![0.0; stride];
        let longest =
            (0..points.len()).into_par_iter().map(|i| distance(points.row(i), &zero)).reduce(|| 0.0, f32::max);
        // Above zero even if all rows are equal, so that every distance is below the diameter.
        points.radius = longest.max(0.5) * (1.0 + 1e-5);
        Ok(points)
    }

    /// A row and the zeros after it.
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.stride..(index + 1) * self.stride]
    }

    /// Distance of two rows, in units of `unit`; zero for equal rows.
    #[inline]
    pub(super) fn distance(&self, a: usize, b: usize) -> f32 {
        distance(self.row(a), self.row(b))
    }

    pub(super) fn unit(&self) -> f64 {
        self.unit
    }

    /// A distance that no two rows exceed.
    pub(super) fn diameter(&self) -> f32 {
        2.0 * self.radius
    }

    /// Bound of the error of a distance against float64.
    pub(super) fn error(&self, distance: f32) -> f32 {
        2.0 * f32::EPSILON * self.diameter() + 16.0 * f32::EPSILON * distance
    }
}

impl Rows for Points {
    /// Number of rows of pool and core.
    fn len(&self) -> usize {
        self.data.len() / self.stride
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn read(&self, index: usize, out: &mut [f64]) {
        out.iter_mut().zip(self.row(index)).for_each(|(out, &x)| *out = f64::from(x));
    }
}

/// Mean of each column.
fn mean(rows: &dyn Rows) -> Result<Vec<f64>> {
    let share = 1.0 / rows.len() as f64;
    let chunks: Vec<std::result::Result<Vec<f64>, usize>> = chunks(rows, |range, row| {
        let mut sums = vec![0.0; rows.dim()];
        for index in range {
            rows.read(index, row);
            if !row.iter().all(|x| x.is_finite()) {
                return Err(index);
            }
            sums.iter_mut().zip(row.iter()).for_each(|(sum, x)| *sum += x * share);
        }
        Ok(sums)
    });
    let mut total = vec![0.0; rows.dim()];
    for sums in chunks {
        let sums = sums.map_err(|row| Error::NotFinite { what: "the pool", row })?;
        total.iter_mut().zip(sums).for_each(|(a, b)| *a += b);
    }
    Ok(total)
}

/// Largest distance of an element from the origin.
fn largest(rows: &dyn Rows, what: &'static str, origin: &[f64]) -> Result<f64> {
    let chunks: Vec<std::result::Result<f64, usize>> = chunks(rows, |range, row| {
        let mut largest = 0.0_f64;
        for index in range {
            rows.read(index, row);
            for (x, mean) in row.iter().zip(origin) {
                let distance = (x - mean).abs();
                if !distance.is_finite() {
                    return Err(index);
                }
                largest = largest.max(distance);
            }
        }
        Ok(largest)
    });
    chunks.into_iter().try_fold(0.0, |a: f64, b| Ok(a.max(b.map_err(|row| Error::NotFinite { what, row })?)))
}

fn chunks<T: Send>(rows: &dyn Rows, work: impl Fn(std::ops::Range<usize>, &mut [f64]) -> T + Sync) -> Vec<T> {
    (0..rows.len().div_ceil(CHUNK))
        .into_par_iter()
        .map_init(|| vec![0.0; rows.dim()], |row, chunk| work(chunk * CHUNK..rows.len().min((chunk + 1) * CHUNK), row))
        .collect()
}
