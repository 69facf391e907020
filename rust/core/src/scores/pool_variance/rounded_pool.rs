//! The pool, rounded to 16-bit integers in the coordinates of a posterior.
//!
//! With `Sigma = S S^T`, a row `x` is `y = S^T x`, rounded to `y' = y - delta`.

use std::ops::Range;

use faer::Mat;
use rayon::prelude::*;

use super::numbers::Number;
use super::target::{Target, Whitened};
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::dot;
use crate::data::rows::Rows;
use crate::data::scratch::Place;
use crate::data::spans::in_spans;
use crate::error::{Error, Result};
use crate::linalg::{GramSum, SingleDirections, Sketch, WIDENED, Widened, product_error, project};

/// Margin for rounding errors of float64, which are far below those of the integers.
pub(super) const FLOAT_ERROR: f64 = 1e-7;
/// Bytes of the integers of rows that are worked on together.
const SPAN_BYTES: usize = 32 << 20;
/// Number of rows that one thread rounds at a time.
const CHUNK: usize = 64;

/// Rounded rows, and what bounds the errors of their scores.
pub(super) struct RoundedPool {
    pub(super) sketch: Sketch<'static>,
    /// Upper bounds of the lengths of `y` and `y'` of each row.
    lengths: Vec<f32>,
    /// The upper triangle `R = S^-1`.
    pub(super) factor: Mat<f64>,
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
        Ok(Self { sketch, lengths: vec![0.0; rows.len()], factor: posterior.factor().clone(), largest: 0.0 })
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
        self.factor = posterior.factor().clone();
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
        problem.map_or(Ok(()), |row| Err(Error::NotFinite { what: "the pool", row }))
    }

    /// Variances and numerators of the rounded rows under the posterior in whose coordinates they are.
    pub(super) fn start(&mut self, target: &Target, posterior: &Posterior) -> Vec<Number> {
        let Whitened { directions, largest, trace } = target.whitened(posterior);
        self.largest = largest;
        // Directions whose squared lengths sum to 1 fit into float32.
        let (directions, unit) = SingleDirections::scaled(&directions, trace.sqrt());
        let mut out = vec![Number::default(); self.len()];
        for span in self.spans() {
            out[span.clone()].par_chunks_mut(WIDENED).enumerate().for_each_init(
                || (Widened::default(), vec![0.0; WIDENED]),
                |(widened, numerators), (chunk, out)| {
                    let first = span.start + chunk * WIDENED;
                    widened.load(&self.sketch, first..first + out.len());
                    widened.quadratic_forms(&directions, &mut numerators[..out.len()]);
                    for ((row, out), numerator) in (first..).zip(out).zip(&*numerators) {
                        *out = self.number(row, numerator.sqrt() * self.sketch.scale(row) * unit, trace);
                    }
                },
            );
            self.sketch.release(span);
        }
        out
    }

    /// The number of a row under the posterior in whose coordinates it is, given the root of its numerator.
    fn number(&self, row: usize, root: f64, trace: f64) -> Number {
        let (length, _) = self.size(row);
        let error = self.product_error() * length * trace.sqrt();
        Number {
            variance: self.sketch.square(row),
            numerator: root * root,
            variance_error: FLOAT_ERROR * length * length,
            numerator_error: error * (2.0 * root + error) + FLOAT_ERROR * self.largest * length * length,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    pub(super) fn dim(&self) -> usize {
        self.factor.nrows()
    }

    /// Bound of the error of a product of a rounded row with a direction, relative to the lengths of both.
    pub(super) fn product_error(&self) -> f64 {
        product_error(self.dim()) + FLOAT_ERROR
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
        let step = (SPAN_BYTES / row).next_multiple_of(WIDENED);
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
