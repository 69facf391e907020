//! Greedy selection: the search for the next pick, for any score.

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

/// The search for the best candidate; both engines return the same picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Evaluate every score from its definition before every pick.
    Naive,
    /// Evaluate only scores whose upper bounds are large enough to win.
    Lazy,
}

/// Scores within this fraction of the best count as tied with it, and the tie goes to the lowest index.
const TIE: f64 = 1e-12;

/// A score that is maximised over the pool before each pick.
pub trait Score {
    /// An upper bound of the score of each candidate.
    fn bounds(&self) -> &[f64];

    /// Whether scores may rise from one pick to the next. All bounds must then be updated after each pick, and the best
    /// score should be exact.
    fn may_rise(&self) -> bool {
        false
    }

    /// Find the open candidates that may tie with the best, in ascending order, and make their bounds exact. `None` if
    /// the score leaves the search to the engine, by its bounds.
    fn contenders(&mut self, _pool: &Pool<'_>, _taken: &[bool]) -> Option<Vec<usize>> {
        None
    }

    /// Whether the bound of a candidate is its exact score.
    fn is_exact(&self, candidate: usize) -> bool;

    /// Lower the bounds of candidates until each is the exact score, below `threshold`, or too low to tie with the best
    /// of them.
    fn tighten(&mut self, pool: &Pool<'_>, candidates: &[usize], threshold: f64);

    /// Recompute the scores of candidates that nearly tie, so that equal candidates get equal bits whenever they were
    /// evaluated before.
    ///
    /// There is nothing to do if scores do not depend on earlier evaluations.
    fn settle(&mut self, _pool: &Pool<'_>, _candidates: &[usize]) {}

    /// Update for a pick.
    fn observe(&mut self, pool: &Pool<'_>, pick: usize);

    /// The score of every candidate, computed from its definition.
    fn definition(&self, pool: &Pool<'_>) -> Vec<f64>;
}

/// Scores within this fraction of the best are recomputed in one way before ties are looked for, since their last
/// digits depend on earlier updates.
const NEAR_TIE: f64 = 1e-9;

/// The lowest score that ties with `best`.
pub(crate) fn tie_limit(best: f64) -> f64 {
    best - TIE * best.abs()
}

/// The lowest score that may tie with `best` in spite of rounding errors.
pub(crate) fn near_tie_limit(best: f64) -> f64 {
    best - NEAR_TIE * best.abs()
}

/// A candidate and its score when it is picked.
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
