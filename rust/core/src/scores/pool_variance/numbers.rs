//! Variances and numerators of rounded rows, and intervals for the scores of the rows.
//!
//! For a row `y = y' + delta` in the coordinates of [`super::rounded_pool`], `q(y) = x^T Sigma x` and
//! `r(y) = x^T Sigma M Sigma x` are squared lengths of linear images of `y`, in norms of at most 1 and `sqrt(l)`, with `l`
//! the largest eigenvalue of `S^T M S`; observations only make them smaller. So, by the triangle inequality,
//!
//! `|sqrt(q(y)) - sqrt(q(y'))| <= |delta|`,  `|sqrt(r(y)) - sqrt(r(y'))| <= sqrt(l) |delta|`.
//!
//! `q(y')` and `r(y')` follow from the products `a` and `b` of `y'` with the two directions of each observation. These are
//! rounded, too; the errors of the products are bounded and summed for each row.

use rayon::prelude::*;

use super::pass::{Pass, follow};
use super::rounded_pool::RoundedPool;
use crate::scores::leading::Interval;

/// Number of rows that one thread takes at a time: they stay in the second level cache while the directions stream past.
const CHUNK: usize = 128;

/// `q(y')` and `r(y')` of a row, with bounds of their errors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    pub(super) variance: f64,
    pub(super) numerator: f64,
    pub(super) variance_error: f64,
    pub(super) numerator_error: f64,
}

impl Number {
    /// The number less the change by an observation.
    #[inline(always)]
    pub(super) fn less(self, change: Self) -> Self {
        Self {
            variance: self.variance - change.variance,
            numerator: self.numerator - change.numerator,
            variance_error: self.variance_error + change.variance_error,
            numerator_error: self.numerator_error + change.numerator_error,
        }
    }

    /// The change by an observation with `w^T M w`, from the products of `y'` with `w` and `u` and bounds of their errors.
    #[inline(always)]
    pub(super) fn change([a, b]: [f64; 2], [x, y]: [f64; 2], wmw: f64) -> Self {
        let square_error = x * (2.0 * a.abs() + x);
        Self {
            variance: a * a,
            numerator: a * (2.0 * b + a * wmw),
            variance_error: square_error,
            numerator_error: 2.0 * (a.abs() * y + b.abs() * x + x * y) + wmw * square_error,
        }
    }

    /// The interval of the score of a row.
    pub(super) fn score(&self, pool: &RoundedPool, row: usize, noise: f64) -> Interval {
        self.score_within(pool.size(row).1, pool, noise)
    }

    /// The interval of the score of a row that differs from the one of the number by at most `error`.
    pub(super) fn score_within(&self, error: f64, pool: &RoundedPool, noise: f64) -> Interval {
        let variance = around(self.variance, self.variance_error, error);
        let numerator = around(self.numerator, self.numerator_error, pool.largest.sqrt() * error);
        Interval { low: numerator.low / (noise + variance.high), high: numerator.high / (noise + variance.low) }
    }
}

/// The interval of a square, given the square of another number that differs by at most `error`, and the error of that.
fn around(square: f64, square_error: f64, error: f64) -> Interval {
    let low = ((square - square_error).max(0.0).sqrt() - error).max(0.0);
    let high = (square + square_error).max(0.0).sqrt() + error;
    Interval { low: low * low, high: high * high }
}

/// A score that no row should reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// The number of directions after which it holds.
    pub(super) after: usize,
    pub(super) score: f64,
}

/// A row that may reach a limit, and the number of directions after which it first may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub(super) row: usize,
    pub(super) after: usize,
}

/// The numbers of all rows after further directions, and the rows whose scores may have reached one of the limits.
pub(super) fn after(numbers: &[Number], pool: &RoundedPool, pass: &Pass) -> (Vec<Number>, Vec<Suspect>) {
    let mut out = numbers.to_vec();
    let directions = pass.directions();
    let width = directions.len();
    let mut suspects = Vec::new();
    for span in pool.spans() {
        let found: Vec<Vec<Suspect>> = out[span.clone()]
            .par_chunks_mut(CHUNK)
            .enumerate()
            .map_init(
                || vec![0; CHUNK * width],
                |products, (chunk, numbers)| {
                    let first = span.start + chunk * CHUNK;
                    pool.sketch.integer_products(first..first + numbers.len(), directions, products);
                    let mut suspects = Vec::new();
                    for ((row, number), products) in (first..).zip(numbers).zip(products.chunks_exact(width)) {
                        if let Some(after) = follow(pass, pass.row(pool, row), products, number) {
                            suspects.push(Suspect { row, after });
                        }
                    }
                    suspects
                },
            )
            .collect();
        suspects.extend(found.into_iter().flatten());
        pool.sketch.release(span);
    }
    (out, suspects)
}
