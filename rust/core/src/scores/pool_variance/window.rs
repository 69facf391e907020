//! The candidates with the largest bounds, among which picks are found ahead of the rest of the pool.

use rayon::prelude::*;

use super::direction::Direction;
use super::exact::Parts;
use super::numbers::Number;
use super::rounded_pool::{FLOAT_ERROR, RoundedPool};
use crate::linalg::{Sketch, pair_products, product_error};
use crate::scores::leading::Interval;

/// Smallest number of candidates of a window, and its share of the pool.
const SMALLEST: usize = if cfg!(test) { 4 } else { 1024 };
const SHARE: usize = 64;
/// Number of candidates that one thread takes at a time.
const CHUNK: usize = 512;

/// A candidate in a window.
#[derive(Clone, Copy)]
struct Member {
    candidate: usize,
    /// The place of its rounded row in the window.
    row: usize,
    /// Its number, which refers to the rounded row until it is computed from the row itself.
    number: Number,
    is_of_row: bool,
}

/// Relative error of numbers that are computed from rows.
const ROW_ERROR: f64 = 1e-10;

/// Candidates with their numbers after the same observations.
pub(super) struct Window {
    members: Vec<Member>,
    /// Rounded rows, side by side: fetched from all over the pool, they would take longer than their products.
    rows: Sketch<'static>,
    /// Upper bounds of the scores of the pool when the window was opened, minus infinity for members and for
    /// candidates that are not open.
    outside: Vec<f64>,
    highest_outside: f64,
}

impl Window {
    /// Bytes of the rounded rows of a window.
    pub(super) fn bytes(candidates: usize, dim: usize) -> usize {
        Sketch::bytes(size(candidates), dim)
    }

    /// The open candidates with the largest bounds.
    pub(super) fn new(pool: &RoundedPool, numbers: &[Number], noise: f64, taken: &[bool]) -> Self {
        let bound = |i: usize| if taken[i] { f64::NEG_INFINITY } else { numbers[i].score(pool, i, noise).high };
        let outside: Vec<f64> = (0..pool.len()).into_par_iter().with_min_len(CHUNK).map(bound).collect();
        let size = size(pool.len());
        let mut sorted = outside.clone();
        let limit = match size < sorted.len() {
            true => *sorted.select_nth_unstable_by(size, |a, b| b.total_cmp(a)).1,
            false => f64::NEG_INFINITY,
        };
        let rows = Sketch::new(pool.dim());
        let mut out = Self { members: Vec::new(), rows, outside, highest_outside: f64::INFINITY };
        out.admit(pool, numbers, limit);
        out
    }

    /// Take in all candidates whose bound is not below a limit. Returns whether there are any. The numbers are those of
    /// the pool when the window was opened, and the window has not followed an observation since.
    pub(super) fn admit(&mut self, pool: &RoundedPool, numbers: &[Number], limit: f64) -> bool {
        if self.highest_outside < limit {
            return false;
        }
        let before = self.members.len();
        for (i, bound) in self.outside.iter_mut().enumerate() {
            if *bound >= limit && *bound > f64::NEG_INFINITY {
                let row = self.rows.len();
                self.members.push(Member { candidate: i, row, number: numbers[i], is_of_row: false });
                self.rows.push_from(&pool.sketch, i);
                *bound = f64::NEG_INFINITY;
            }
        }
        self.highest_outside = self.outside.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.members.len() > before
    }

    /// Intervals of the scores of all members, in the order of [`Window::candidate`].
    pub(super) fn scores(&self, pool: &RoundedPool, noise: f64) -> Vec<Interval> {
        let score = |member: &Member| {
            let error = if member.is_of_row { 0.0 } else { pool.size(member.candidate).1 };
            member.number.score_within(error, pool, noise)
        };
        self.members.par_iter().with_min_len(CHUNK).map(score).collect()
    }

    pub(super) fn candidate(&self, place: usize) -> usize {
        self.members[place].candidate
    }

    /// Record what was computed from the row of a member. From then on its number refers to the row.
    pub(super) fn know(&mut self, place: usize, parts: Parts) {
        let Parts { variance, numerator } = parts;
        let (variance_error, numerator_error) = (ROW_ERROR * variance, ROW_ERROR * numerator);
        self.members[place].number = Number { variance, numerator, variance_error, numerator_error };
        self.members[place].is_of_row = true;
    }

    /// Follow an observation of a member, which leaves the window.
    pub(super) fn follow(&mut self, pool: &RoundedPool, pick: usize, direction: &Direction) {
        if let Some(place) = self.members.iter().position(|member| member.candidate == pick) {
            self.members.swap_remove(place);
        }
        let units = direction.units.each_ref().map(|unit| &unit[..]);
        let (rows, product_error) = (&self.rows, product_error(pool.dim()) + FLOAT_ERROR);
        self.members.par_iter_mut().with_min_len(CHUNK).for_each(|member| {
            let Member { candidate, row, number, is_of_row } = member;
            let products = pair_products(rows.vector(*row), units);
            let (length, rounding) = pool.size(*candidate);
            let (scale, lengths) = (rows.scale(*row), direction.lengths);
            let dots = std::array::from_fn(|k| scale * lengths[k] * f64::from(products[k]));
            let error = product_error * length + if *is_of_row { rounding } else { 0.0 };
            *number = number.less(Number::change(dots, lengths.map(|other| error * other), direction.wmw));
        });
    }

    /// Whether a candidate was open and outside when the window was opened.
    pub(super) fn is_outside(&self, candidate: usize) -> bool {
        self.outside[candidate] > f64::NEG_INFINITY
    }
}

/// Number of candidates of a window.
fn size(candidates: usize) -> usize {
    SMALLEST.max(candidates / SHARE)
}
