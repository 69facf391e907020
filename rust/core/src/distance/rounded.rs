//! Points rounded to 16-bit integers: distances between them bound the distances between the points themselves.
//!
//! A point is `x = o + x' + delta`, with a common origin `o` and a rounded `x'`. By the triangle inequality the
//! distance of two points differs from that of the rounded points by at most `|delta_x| + |delta_y|`.

use std::ops::Range;

use rayon::prelude::*;

use super::points::Points;
use crate::data::rows::{Rows, in_blocks};
use crate::data::scratch::Place;
use crate::error::Result;
use crate::linalg::{DIRECTIONS, Sketch};

/// Rounding errors of float64 in a distance, relative to the lengths of the two points: `|x - y|^2` is computed as a
/// difference of squares, and the root of its error counts.
const FLOAT_ERROR: f64 = 1e-7;
/// Number of points that one thread rounds at a time.
const CHUNK: usize = 256;

/// Lower and upper bound of a distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// Rounded points around a common origin.
pub(crate) struct Rounded {
    sketch: Sketch<'static>,
    extents: Vec<Extent>,
}

/// The squared length of a rounded point, and a bound of the rounding error.
#[derive(Clone, Copy, Default)]
struct Extent {
    square: f64,
    error: f64,
}

impl Rounded {
    /// Round every point; also returns the lengths of `x - o`.
    ///
    /// # Errors
    /// [`crate::Error::NotFinite`] or [`crate::Error::Row`] for the first point that cannot be used.
    pub(crate) fn new(what: &'static str, points: Points<'_>, origin: &[f64]) -> Result<(Self, Vec<f64>)> {
        Self::kept_in(Place::Memory, what, points, origin)
    }

    /// The same with the rounded points in a place.
    ///
    /// # Errors
    /// As [`Rounded::new`], and [`crate::Error::File`] if there is no room for them.
    pub(crate) fn kept_in(
        place: Place,
        what: &'static str,
        points: Points<'_>,
        origin: &[f64],
    ) -> Result<(Self, Vec<f64>)> {
        let len = points.len();
        let (mut sketch, mut lengths) = (Sketch::zeros(origin.len(), len, place)?, vec![0.0; len]);
        let mut extents = Vec::with_capacity(len);
        in_blocks(&points, 1, |range| {
            let lengths = lengths[range.clone()].chunks_mut(CHUNK);
            let parts: Vec<_> = sketch.parts_mut(range.clone(), CHUNK).zip(lengths).enumerate().collect();
            let checks: Vec<Result<()>> = parts
                .into_par_iter()
                .map_init(
                    || vec![0.0; origin.len()],
                    |point, (chunk, (mut sketch, lengths))| {
                        for (k, length) in lengths.iter_mut().enumerate() {
                            let index = range.start + chunk * CHUNK + k;
                            points.read(index, point);
                            let is_usable = points.is_usable(point);
                            *length = subtract(point, origin);
                            if !is_usable || !length.is_finite() {
                                return Err(points.problem(what, index));
                            }
                            sketch.set(k, point, *length);
                        }
                        Ok(())
                    },
                )
                .collect();
            checks.into_iter().collect::<Result<Vec<()>>>()?;
            extents.par_extend(range.clone().into_par_iter().with_min_len(CHUNK).map(|i| Extent::new(&sketch, i)));
            sketch.release(range);
            Ok(())
        })?;
        Ok((Self { sketch, extents }, lengths))
    }

    /// Give back what memory holds of points that are in a file.
    pub(crate) fn release(&self, points: Range<usize>) {
        self.sketch.release(points);
    }

    /// Bytes of so many points that are in memory where the others are in a file.
    pub(crate) fn bytes_beside_file(len: usize) -> usize {
        Sketch::bytes_beside_file(len) + len * size_of::<Extent>()
    }

    /// Bytes of `len` points.
    pub(crate) fn bytes(len: usize, dim: usize) -> usize {
        Sketch::bytes(len, dim) + len * size_of::<Extent>()
    }

    pub(crate) fn len(&self) -> usize {
        self.extents.len()
    }

    /// Append a point of another set with the same origin.
    pub(crate) fn push(&mut self, other: &Self, index: usize) {
        self.sketch.push_from(&other.sketch, index);
        self.extents.push(other.extents[index]);
    }

    /// Bounds of the distances between a point and a few points of another set with the same origin.
    #[inline]
    pub(crate) fn between(&self, index: usize, other: &Self, others: [usize; DIRECTIONS]) -> [Bounds; DIRECTIONS] {
        let products = self.sketch.products(index, &other.sketch, others);
        let x = self.extents[index];
        std::array::from_fn(|k| {
            let y = other.extents[others[k]];
            let estimate = (x.square + y.square - 2.0 * products[k]).max(0.0).sqrt();
            let error = x.error + y.error;
            Bounds { lower: estimate - error, upper: estimate + error }
        })
    }

    /// Difference between the upper and the lower bound of a distance.
    pub(crate) fn width(&self, index: usize, other: &Self, another: usize) -> f64 {
        2.0 * (self.extents[index].error + other.extents[another].error)
    }

    /// Prefetch a point into the cache.
    #[inline]
    pub(crate) fn prefetch(&self, index: usize) {
        self.sketch.prefetch(index);
    }
}

impl Extent {
    fn new(sketch: &Sketch<'_>, index: usize) -> Self {
        let square = sketch.square(index);
        Self { square, error: sketch.error(index) + FLOAT_ERROR * square.sqrt() }
    }
}

/// Subtract the origin from a point and return the length of the difference.
pub(super) fn subtract(point: &mut [f64], origin: &[f64]) -> f64 {
    const PARTS: usize = 8;
    let mut squares = [0.0; PARTS];
    for (point, origin) in point.chunks_mut(PARTS).zip(origin.chunks(PARTS)) {
        for ((x, o), square) in point.iter_mut().zip(origin).zip(&mut squares) {
            *x -= o;
            *square += *x * *x;
        }
    }
    squares.iter().sum::<f64>().sqrt()
}
