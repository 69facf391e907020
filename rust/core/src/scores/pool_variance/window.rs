//! The candidates with the largest bounds, among which picks are found ahead of the rest of the pool.

use rayon::prelude::*;

use super::direction::Direction;
use super::exact::Parts;
use super::numbers::Number;
use super::rounded_pool::RoundedPool;
use crate::linalg::pair_products;
use crate::scores::leading::Interval;

/// Smallest number of candidates of a window, and its share of the pool.
const SMALLEST: usize = if cfg!(test) { 4 } else { 1024 };
const SHARE: usize = 64;
/// Number of candidates that one thread takes at a time.
const CHUNK: usize = 512;
/// Rows are fetched into the cache while this many before them are worked on.
const AHEAD: usize = 4;

/// A candidate in a window.
#[derive(Clone, Copy)]
struct Member {
    candidate: usize,
    /// Its number, which refers to the rounded row until it is computed from the row itself.
    number: Number,
    is_of_row: bool,
}

/// Relative error of numbers that are computed from rows.
const ROW_ERROR: f64 = 1e-10;

/// Candidates with their numbers after the same observations.
pub(super) struct Window {
    members: Vec<Member>,
    /// Upper bounds of the scores of the pool when the window was opened, minus infinity for members and for
    /// candidates that are not open.
    outside: Vec<f64>,
    highest_outside: f64,
}

impl Window {
    /// The open candidates with the largest bounds.
    pub(super) fn new(pool: &RoundedPool, numbers: &[Number], noise: f64, taken: &[bool]) -> Self {
        let bound = |i: usize| if taken[i] { f64::NEG_INFINITY } else { numbers[i].score(pool, i, noise).high };
        let outside: Vec<f64> = (0..pool.len()).into_par_iter().with_min_len(CHUNK).map(bound).collect();
        let size = SMALLEST.max(pool.len() / SHARE);
        let mut sorted = outside.clone();
        let limit = match size < sorted.len() {
            true => *sorted.select_nth_unstable_by(size, |a, b| b.total_cmp(a)).1,
            false => f64::NEG_INFINITY,
        };
        let mut out = Self { members: Vec::new(), outside, highest_outside: f64::INFINITY };
        out.admit(numbers, limit);
        out
    }

    /// Take in all candidates whose bound is not below a limit. Returns whether there are any. The numbers are those of
    /// the pool when the window was opened, and the window has not followed an observation since.
    pub(super) fn admit(&mut self, numbers: &[Number], limit: f64) -> bool {
        if self.highest_outside < limit {
            return false;
        }
        let before = self.members.len();
        for (i, bound) in self.outside.iter_mut().enumerate() {
            if *bound >= limit && *bound > f64::NEG_INFINITY {
                self.members.push(Member { candidate: i, number: numbers[i], is_of_row: false });
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
        self.members.par_chunks_mut(CHUNK).for_each(|members| {
            for k in 0..members.len() {
                if let Some(next) = members.get(k + AHEAD) {
                    pool.sketch.prefetch(next.candidate);
                }
                let Member { candidate, number, is_of_row } = &mut members[k];
                let products = pair_products(pool.sketch.vector(*candidate), units);
                let (length, rounding) = pool.size(*candidate);
                let (scale, lengths) = (pool.sketch.scale(*candidate), direction.lengths);
                let dots = std::array::from_fn(|k| scale * lengths[k] * f64::from(products[k]));
                let error = pool.product_error() * length + if *is_of_row { rounding } else { 0.0 };
                *number = number.less(Number::change(dots, lengths.map(|other| error * other), direction.wmw));
            }
        });
    }

    /// Whether a candidate was open and outside when the window was opened.
    pub(super) fn is_outside(&self, candidate: usize) -> bool {
        self.outside[candidate] > f64::NEG_INFINITY
    }
}
