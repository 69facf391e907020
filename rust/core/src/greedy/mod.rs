//! Greedy selection: how the next candidate is found, whatever is maximised.

mod driver;
mod lazy;
mod naive;
mod open;
mod picks;
mod selection;

pub use driver::Greedy;
pub(crate) use driver::Objective;
use lazy::Lazy;
use naive::naive;
pub(crate) use open::Open;
use picks::Picks;
pub use selection::{Reading, Selection};

use crate::data::rows::Pool;

/// How the best candidate is found; both engines return the same picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Every score from its definition, before every pick.
    Naive,
    /// Only the scores that can matter, brought up to date when they do.
    Lazy,
}

/// Scores within this fraction of the best count as tied with it, and the tie goes to the lowest index.
const TIE: f64 = 1e-12;

/// Something to maximise over the pool, one pick after the other.
pub trait Score {
    /// For each candidate a number that its score is not above.
    fn bounds(&self) -> &[f64];

    /// Whether scores may rise from one pick to the next; all bounds are then brought up to date after each pick, and the
    /// best score should be among those that are exact.
    fn may_rise(&self) -> bool {
        false
    }

    /// Whether the bound of a candidate is its score.
    fn is_exact(&self, candidate: usize) -> bool;

    /// Lower the bounds of candidates until each is its score, or below `threshold`, or too low to tie with the best of
    /// them.
    fn tighten(&mut self, pool: &Pool<'_>, candidates: &[usize], threshold: f64);

    /// Compute the scores of candidates that nearly tie so that equal candidates get equal bits, whenever they were
    /// looked at before.
    ///
    /// There is nothing to do where scores do not depend on the way that led to them.
    fn settle(&mut self, _pool: &Pool<'_>, _candidates: &[usize]) {}

    /// Account for a pick.
    fn observe(&mut self, pool: &Pool<'_>, pick: usize);

    /// Every candidate's score, computed from scratch as it is defined.
    fn definition(&self, pool: &Pool<'_>) -> Vec<f64>;
}

/// Scores within this fraction of the best are computed anew, in the same way, before ties are looked for: the order of
/// earlier updates shows in the last digits.
const NEAR_TIE: f64 = 1e-9;

/// The lowest score that ties with `best`.
pub(crate) fn tie_limit(best: f64) -> f64 {
    best - TIE * best.abs()
}

/// The lowest score that may tie with `best` for all that rounding leaves to say.
pub(crate) fn near_tie_limit(best: f64) -> f64 {
    best - NEAR_TIE * best.abs()
}

/// A candidate and its score at the time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pick {
    index: usize,
    score: f64,
}

/// The first of the open candidates whose value ties with the largest.
pub(crate) fn first_largest(values: &[f64], is_open: impl Fn(usize) -> bool) -> Option<usize> {
    let open = || (0..values.len()).filter(|&i| is_open(i));
    let best = open().map(|i| values[i]).fold(f64::NEG_INFINITY, f64::max);
    open().find(|&i| values[i] >= tie_limit(best))
}
