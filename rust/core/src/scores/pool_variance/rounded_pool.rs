//! The pool, rounded to 16-bit integers in the coordinates of a posterior.
//!
//! With `Sigma = S S^T`, a row `x` is `y = S^T x`, rounded to `y' = y - delta`.

use std::ops::Range;

use rayon::prelude::*;

use super::numbers::Number;
use super::rounded_target::RoundedTarget;
use super::target::{Target, Whitened};
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::dot;
use crate::data::rows::Rows;
use crate::data::scratch::Place;
use crate::data::spans::in_spans;
use crate::error::{Error, Result};
use crate::linalg::{GramSum, Sketch, project};

/// Margin for rounding errors of float64, which are far below those of the integers.
pub(super) const FLOAT_ERROR: f64 = 1e-7;
/// Bytes of the integers of rows that are worked on together.
const SPAN_BYTES: usize = 32 << 20;
/// Number of rows that one thread works on at a time: the integers stay in the second level cache.
const CHUNK: usize = 128;

/// Rounded rows, and what bounds the errors of their scores.
pub(super) struct RoundedPool {
    pub(super) sketch: Sketch<'static>,
    /// Upper bounds of the lengths of `y` and `y'` of each row.
    lengths: Vec<f32>,
    /// The posterior in whose coordinates rows are rounded.
    pub(super) posterior: Posterior,
    /// An upper bound of the largest eigenvalue of `S^T M S`.
    pub(super) largest: f64,
}

impl RoundedPool {
    /// Bytes for a number of rows, with the integers in a place.
    pub(super) fn bytes(len: usize, dim: usize, place: Place) -> usize {
        let sketch = match place {
            Place::Memory => Sketch::bytes(len, dim),
            Place::File => Sketch::bytes_beside_file(len),
        };
        sketch + len * size_of::<f32>()
    }

    /// Room for rows, in a place.
    ///
    /// # Errors
    /// [`Error::File`] if there is no room for a file.
    pub(super) fn new(rows: &dyn Rows, posterior: &Posterior, place: Place) -> Result<Self> {
        let sketch = Sketch::zeros(rows.dim(), rows.len(), place)?;
        Ok(Self { sketch, lengths: vec![0.0; rows.len()], posterior: posterior.clone(), largest: 0.0 })
    }

    /// Round rows in the coordinates of a posterior, and add `y y^T` of each to the sum, if there is one.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first row that is not finite.
    pub(super) fn round(
        &mut self,
        rows: &dyn Rows,
        posterior: &Posterior,
        mut sum: Option<&mut GramSum>,
    ) -> Result<()> {
        let dim = self.dim();
        self.posterior = posterior.clone();
        let (mut whitened, mut problem) = (Vec::new(), None);
        in_spans(rows, |span, range| {
            if problem.is_some() {
                return;
            }
            whitened.resize(range.len() * dim, 0.0);
            project(&span, posterior.inverse(), &mut whitened);
            let squares: Vec<f64> = whitened.par_chunks_exact(dim).map(|y| dot(y, y)).collect();
            problem = squares.iter().position(|square| !square.is_finite()).map(|row| range.start + row);
            set(&mut self.sketch, &whitened, &squares, range.clone());
            self.sketch.release(range.clone());
            for (row, square) in range.zip(&squares) {
                // Rounded up.
                let length = square.sqrt() + self.sketch.error(row);
                self.lengths[row] = (length * (1.0 + 1e-6)) as f32 + f32::MIN_POSITIVE;
            }
            sum.iter_mut().for_each(|sum| sum.add(&whitened));
        });
        problem.map_or(Ok(()), |row| Err(Error::of_row("the pool", row, rows)))
    }

    /// Variances and numerators of the rounded rows under the posterior in whose coordinates they are.
    pub(super) fn start(&mut self, target: &Target, posterior: &Posterior) -> Vec<Number> {
        let Whitened { directions, largest } = target.whitened(posterior);
        self.largest = largest;
        let directions = RoundedTarget::new(&directions);
        let mut out = vec![Number::default(); self.len()];
        for span in self.spans() {
            out[span.clone()].par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
                let first = span.start + chunk * CHUNK;
                let mut sums = [0.0; CHUNK];
                directions.add_squares(&self.sketch, first..first + out.len(), &mut sums);
                for ((row, out), sum) in (first..).zip(out).zip(sums) {
                    *out = self.number(row, sum, directions.error);
                }
            });
            self.sketch.release(span);
        }
        out
    }

    /// The number of a row under the posterior in whose coordinates it is, given its numerator with a rounded target, and
    /// the length of the error of that.
    fn number(&self, row: usize, numerator: f64, rounding: f64) -> Number {
        let (length, _) = self.size(row);
        let (root, error) = (numerator.sqrt(), rounding * length);
        Number {
            variance: self.sketch.square(row),
            numerator,
            variance_error: FLOAT_ERROR * length * length,
            numerator_error: error * (2.0 * root + error) + FLOAT_ERROR * self.largest * length * length,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn dim(&self) -> usize {
        self.posterior.dim()
    }

    /// `|y|` and `|delta|` of a row, from above.
    #[inline]
    pub(super) fn size(&self, row: usize) -> (f64, f64) {
        let length = f64::from(self.lengths[row]);
        (length, self.sketch.error(row) + FLOAT_ERROR * length)
    }

    /// Consecutive rows that are worked on together: of those in a file, no others are in memory then.
    pub(super) fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        let (len, row) = (self.len(), size_of::<i16>() * self.sketch.width());
        let step = (SPAN_BYTES / row).next_multiple_of(CHUNK);
        (0..len).step_by(step.max(1)).map(move |first| first..len.min(first + step))
    }
}

/// Round consecutive rows, given with their squared lengths.
fn set(sketch: &mut Sketch<'_>, rows: &[f64], squares: &[f64], range: Range<usize>) {
    let dim = rows.len() / range.len();
    let parts: Vec<_> = sketch.parts_mut(range, CHUNK).collect();
    parts.into_par_iter().zip(rows.par_chunks(CHUNK * dim)).zip(squares.par_chunks(CHUNK)).for_each(
        |((mut part, rows), squares)| {
            for (k, (y, square)) in rows.chunks_exact(dim).zip(squares).enumerate() {
                part.set(k, y, square.sqrt());
            }
        },
    );
}
