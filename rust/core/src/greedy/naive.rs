//! The definition of greedy selection: evaluate everything, take the best.

use super::{Pick, Score, first_largest};
use crate::data::rows::Pool;

/// The open candidate with the largest score, the first of those that tie.
pub(crate) fn naive(score: &dyn Score, pool: &Pool<'_>, taken: &[bool]) -> Option<Pick> {
    let scores = score.definition(pool);
    first_largest(&scores, |i| !taken[i]).map(|index| Pick { index, score: scores[index] })
}
