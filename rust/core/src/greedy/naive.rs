//! The definition of greedy selection: evaluate everything, take the best.

use super::{Pick, Score, tie_limit};
use crate::rows::Pool;

/// The open candidate with the largest score, the first of those that tie.
pub(crate) fn naive(score: &dyn Score, pool: &Pool<'_>, taken: &[bool]) -> Option<Pick> {
    let scores = score.definition(pool);
    let open = || (0..scores.len()).filter(|&i| !taken[i]);
    let best = open().map(|i| scores[i]).fold(f64::NEG_INFINITY, f64::max);
    open().find(|&i| scores[i] >= tie_limit(best)).map(|index| Pick { index, score: scores[index] })
}
