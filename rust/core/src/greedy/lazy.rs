//! Lazy greedy selection: a score that never increases need not be evaluated while its old value is too low to win.
//!
//! Minoux, Accelerated greedy algorithms for maximizing submodular set functions (1978), with candidates brought up to
//! date many at a time, so that the work runs at the speed of matrix products rather than of memory.

use super::{Pick, Score, tie_limit};
use crate::rows::Pool;

/// Candidates that are evaluated first, for a threshold that spares the others.
const LEADERS: usize = 64;
/// Candidates that are brought up to date before the threshold is raised.
const BATCH: usize = 4096;

/// Finds the best candidate, and remembers the runners-up, among whom the next best is likely.
#[derive(Default)]
pub(crate) struct Lazy {
    leaders: Vec<usize>,
}

impl Lazy {
    /// The open candidate with the largest score, the first of those that tie.
    pub(crate) fn next(&mut self, score: &mut dyn Score, pool: &Pool<'_>, taken: &[bool]) -> Option<Pick> {
        self.leaders.retain(|&i| !taken[i]);
        if self.leaders.is_empty() {
            self.leaders = (0..taken.len()).filter(|&i| !taken[i]).collect();
            keep_largest(&mut self.leaders, score.bounds());
        }
        let mut best = f64::NEG_INFINITY;
        let mut batch = std::mem::take(&mut self.leaders);
        let mut touched = Vec::new();
        while !batch.is_empty() {
            for part in batch.chunks(BATCH) {
                score.tighten(pool, part, tie_limit(best));
                let exact = part.iter().filter(|&&i| score.is_exact(i));
                best = exact.map(|&i| score.bounds()[i]).fold(best, f64::max);
            }
            touched.append(&mut batch);
            batch = contenders(score, tie_limit(best)).filter(|&i| !taken[i] && !score.is_exact(i)).collect();
        }
        // Exact from the start may be more candidates than were touched.
        let open: Vec<usize> = contenders(score, tie_limit(best)).filter(|&i| !taken[i]).collect();
        let best = open.iter().map(|&i| score.bounds()[i]).fold(best, f64::max);
        let index = open.into_iter().find(|&i| score.bounds()[i] >= tie_limit(best))?;
        keep_largest(&mut touched, score.bounds());
        self.leaders = touched;
        Some(Pick { index, score: score.bounds()[index] })
    }
}

/// Candidates whose bound reaches the limit.
fn contenders(score: &dyn Score, limit: f64) -> impl Iterator<Item = usize> {
    score.bounds().iter().enumerate().filter(move |&(_, &bound)| bound >= limit).map(|(i, _)| i)
}

/// Keep the `LEADERS` candidates with the largest bounds, the first ones among equals.
fn keep_largest(candidates: &mut Vec<usize>, bounds: &[f64]) {
    candidates.sort_unstable();
    candidates.dedup();
    if candidates.len() > LEADERS {
        candidates.select_nth_unstable_by(LEADERS, |&a, &b| bounds[b].total_cmp(&bounds[a]).then(a.cmp(&b)));
        candidates.truncate(LEADERS);
    }
}
