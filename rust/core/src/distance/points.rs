//! Rows as points, and the distance between two of them.

use std::ops::Range;

use mlipselect_simd::for_this_processor;

use crate::data::rows::Rows;
use crate::data::scaling::standard_scales;
use crate::error::{Error, Result};

/// The definition of a distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// The length of the difference.
    #[default]
    Euclidean,
    /// One minus the cosine of the angle.
    Cosine,
}

/// The scale of columns before distances are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Divide each column by its standard deviation over core and pool together.
    #[default]
    Standard,
    /// Leave the columns as they are.
    None,
}

/// A distance between rows: metric and scale of the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distance {
    /// The metric.
    pub metric: Metric,
    /// The scale of the columns.
    pub scale: Scale,
}

/// Chord below which two directions are equal up to rounding.
const SAME_DIRECTION: f64 = 1e-14;

/// A map from rows to points whose Euclidean distances order pairs as the requested distance does.
///
/// For the cosine distance the points lie on the unit sphere. There the chord `|x - y|` and the angle between `x` and
/// `y` obey `1 - cos = |x - y|^2 / 2`.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    metric: Metric,
    factors: Option<Vec<f64>>,
    dim: usize,
}

impl Space {
    /// The map for the rows of pool and core.
    pub(crate) fn new(distance: Distance, pool: &dyn Rows, core: &dyn Rows) -> Result<Self> {
        if pool.is_empty() {
            return Err(Error::EmptyPool);
        }
        if pool.dim() == 0 {
            return Err(Error::Shape("the pool has rows without features: expected at least one feature".into()));
        }
        let factors = match distance.scale {
            Scale::None => None,
            Scale::Standard if core.is_empty() => Some(standard_scales(&[("the pool", pool)])?),
            Scale::Standard => Some(standard_scales(&[("the pool", pool), ("the core", core)])?),
        };
        Ok(Self { metric: distance.metric, factors, dim: pool.dim() })
    }

    /// A map with given factors of the columns.
    ///
    /// # Errors
    /// [`Error::Dimension`] if factors are given and their number is not `dim`.
    pub(crate) fn with_factors(metric: Metric, factors: Option<&[f64]>, dim: usize) -> Result<Self> {
        match factors {
            Some(factors) if factors.len() != dim => {
                Err(Error::Dimension { what: "the scales", expected: dim, given: factors.len() })
            }
            _ => Ok(Self { metric, factors: factors.map(<[f64]>::to_vec), dim }),
        }
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn points<'a>(&'a self, rows: &'a dyn Rows) -> Points<'a> {
        Points { space: self, rows }
    }

    pub(crate) fn is_cosine(&self) -> bool {
        self.metric == Metric::Cosine
    }

    /// The requested distance of two points, from their chord.
    pub(crate) fn reported(&self, chord: f64) -> f64 {
        match self.metric {
            Metric::Euclidean => chord,
            Metric::Cosine => 0.5 * chord * chord,
        }
    }

    /// The Euclidean distance between two points.
    #[inline]
    pub(crate) fn between(&self, a: &[f64], b: &[f64]) -> f64 {
        let chord = distance(a, b);
        if self.metric == Metric::Cosine && chord < SAME_DIRECTION { 0.0 } else { chord }
    }

    fn place(&self, x: &mut [f64]) {
        if let Some(factors) = &self.factors {
            x.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
        }
        if self.metric == Metric::Cosine {
            // Division by the largest element first keeps squares in the range of float64.
            let largest = x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
            if largest > 0.0 {
                x.iter_mut().for_each(|x| *x /= largest);
                let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                x.iter_mut().for_each(|x| *x /= length);
            }
        }
    }
}

/// Rows that are read as points.
#[derive(Clone, Copy)]
pub(crate) struct Points<'a> {
    space: &'a Space,
    rows: &'a dyn Rows,
}

impl Points<'_> {
    /// Whether a finite point has a distance to others: for the cosine, whether it is not zero.
    #[inline]
    pub(crate) fn is_usable(&self, point: &[f64]) -> bool {
        self.space.metric != Metric::Cosine || point.iter().any(|&x| x != 0.0)
    }

    /// The error for a row whose point is not finite or has no distance to others.
    pub(crate) fn problem(&self, what: &'static str, row: usize) -> Error {
        let mut features = vec![0.0; self.dim()];
        self.rows.read(row, &mut features);
        if self.space.metric == Metric::Cosine && features.iter().all(|x| x.is_finite()) {
            let problem = "expected a direction to measure angles from, but all its features are zero";
            return Error::Row { what, row, problem };
        }
        Error::of_features(what, row, &features)
    }
}

impl Rows for Points<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.space.dim
    }

    #[inline]
    fn read(&self, index: usize, out: &mut [f64]) {
        self.rows.read(index, out);
        self.space.place(out);
    }

    fn expect(&self, rows: Range<usize>) {
        self.rows.expect(rows);
    }

    fn release(&self, rows: Range<usize>) {
        self.rows.release(rows);
    }
}

/// The length of `a - b`, summed in an order that depends only on the number of elements.
#[inline]
fn distance(a: &[f64], b: &[f64]) -> f64 {
    square(a, b).sqrt()
}

for_this_processor! {
    /// The squared length of `a - b`.
    #[inline]
    fn square(a: &[f64], b: &[f64]) -> f64 = square_body::<FUSED>
}

#[inline(always)]
fn square_body<const FUSED: bool>(a: &[f64], b: &[f64]) -> f64 {
    const PARTS: usize = 16;
    let add = |sum: f64, a: f64, b: f64| {
        let difference = a - b;
        if FUSED { difference.mul_add(difference, sum) } else { sum + difference * difference }
    };
    let mut sums = [0.0; PARTS];
    let (a, b) = (a.chunks_exact(PARTS), b.chunks_exact(PARTS));
    let rest = a.remainder().iter().zip(b.remainder()).fold(0.0, |sum, (&a, &b)| add(sum, a, b));
    for (a, b) in a.zip(b) {
        for k in 0..PARTS {
            sums[k] = add(sums[k], a[k], b[k]);
        }
    }
    sums.iter().sum::<f64>() + rest
}
