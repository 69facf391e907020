//! Lazy greedy selection: a score that never rises need not be evaluated while its old value is too low to win.
//!
//! Minoux, Accelerated greedy algorithms for maximizing submodular set functions (1978), but with many candidates
//! evaluated at a time, at the speed of matrix products rather than of memory. The candidates follow from a guess of
//! the next best score; a wrong guess costs time and changes no pick.

use super::{Pick, Score, near_tie_limit, tie_limit};
use crate::data::rows::Pool;

/// The first guess of the relative decline of the best score between two picks.
const FIRST_DECLINE: f64 = 1e-3;
/// Number of candidates whose scores give the first guess of the best score, if bounds are infinite.
const SAMPLE: usize = 1024;

/// Number of bounds that the search skips together if the largest of them is too low.
const PART: usize = 16;

/// The search for the best candidate, with the recent decline of the best score.
#[derive(Default)]
pub(crate) struct Lazy {
    /// The largest bound of each part of the pool.
    tops: Vec<f64>,
    last: Option<f64>,
    /// Running mean of the decline of the best score from pick to pick.
    decline: f64,
}

impl Lazy {
    /// The open candidate with the largest score, the first of those that tie.
    pub(crate) fn next(&mut self, score: &mut dyn Score, pool: &Pool<'_>, taken: &[bool]) -> Option<Pick> {
        let contenders = match score.contenders(pool, taken) {
            Some(contenders) => contenders,
            None => self.contenders(score, pool, taken),
        };
        let best = best_exact(score, &contenders);
        let limit = near_tie_limit(best);
        let near: Vec<usize> =
            contenders.into_iter().filter(|&i| score.bounds()[i] >= limit && score.is_exact(i)).collect();
        let (index, best) = match near[..] {
            [] => return None,
            // A score of zero needs no recomputation.
            [first, ..] if best == 0.0 => (first, best),
            // A single candidate is settled, too, so that its score does not depend on when its bound was lowered.
            _ => {
                score.settle(pool, &near);
                self.follow(score.bounds(), taken, &near);
                let best = near.iter().map(|&i| score.bounds()[i]).fold(f64::NEG_INFINITY, f64::max);
                (near.into_iter().find(|&i| score.bounds()[i] >= tie_limit(best))?, best)
            }
        };
        self.decline = match self.last {
            Some(last) => 0.5 * (self.decline + (last - best).max(0.0)),
            None => FIRST_DECLINE * best.abs(),
        };
        self.last = Some(best);
        Some(Pick { index, score: score.bounds()[index] })
    }

    /// The candidates that may tie with the best, which is exact, found by their bounds.
    fn contenders(&mut self, score: &mut dyn Score, pool: &Pool<'_>, taken: &[bool]) -> Vec<usize> {
        let (last, mut step) = match self.last {
            Some(last) if !score.may_rise() => (last, self.decline),
            _ => (first_guess(score, pool, taken), 0.0),
        };
        if self.last.is_none() || score.may_rise() {
            self.tops = vec![f64::NEG_INFINITY; taken.len().div_ceil(PART)];
            (0..self.tops.len()).for_each(|part| self.look_at(part, score.bounds(), taken));
        }
        // Candidates that are left out have bounds below the guess, so an exact score not below it is the best of all.
        loop {
            let guess = if step.is_finite() { last - step } else { f64::NEG_INFINITY };
            let contenders = self.at_least(score.bounds(), near_tie_limit(guess), taken);
            let stale: Vec<usize> = contenders.iter().copied().filter(|&i| !score.is_exact(i)).collect();
            score.tighten(pool, &stale, near_tie_limit(guess));
            self.follow(score.bounds(), taken, &stale);
            let best = best_exact(score, &contenders);
            if best >= guess {
                return contenders;
            }
            step = if step > 0.0 { 2.0 * step } else { FIRST_DECLINE * last.abs() + f64::MIN_POSITIVE };
        }
    }

    /// Open candidates whose bound is not below the limit.
    fn at_least(&self, bounds: &[f64], limit: f64, taken: &[bool]) -> Vec<usize> {
        let mut out = Vec::new();
        for (part, _) in self.tops.iter().enumerate().filter(|&(_, &top)| top >= limit) {
            let end = bounds.len().min((part + 1) * PART);
            out.extend((part * PART..end).filter(|&i| bounds[i] >= limit && !taken[i]));
        }
        out
    }

    /// Update the parts of candidates, given in ascending order, whose bounds may have changed.
    fn follow(&mut self, bounds: &[f64], taken: &[bool], changed: &[usize]) {
        let mut last = None;
        // There are no parts if the score finds contenders by itself.
        for part in changed.iter().map(|i| i / PART).filter(|&part| part < self.tops.len()).collect::<Vec<_>>() {
            if last.replace(part) != Some(part) {
                self.look_at(part, bounds, taken);
            }
        }
    }

    fn look_at(&mut self, part: usize, bounds: &[f64], taken: &[bool]) {
        let range = part * PART..bounds.len().min((part + 1) * PART);
        let open = bounds[range.clone()].iter().zip(&taken[range]).filter(|&(_, taken)| !taken);
        self.tops[part] = open.fold(f64::NEG_INFINITY, |top, (&bound, _)| top.max(bound));
    }
}

/// A guess of the best score: if scores may rise, the best exact one, if any; otherwise the largest bound of an open
/// candidate or, if that is infinite, the best score of a sample.
fn first_guess(score: &mut dyn Score, pool: &Pool<'_>, taken: &[bool]) -> f64 {
    let open: Vec<usize> = (0..taken.len()).filter(|&i| !taken[i]).collect();
    let known = if score.may_rise() { best_exact(score, &open) } else { f64::NEG_INFINITY };
    if known > f64::NEG_INFINITY {
        return known;
    }
    let most = open.iter().map(|&i| score.bounds()[i]).fold(f64::NEG_INFINITY, f64::max);
    if most < f64::INFINITY {
        return most;
    }
    let sample: Vec<usize> = open.iter().copied().step_by(open.len().div_ceil(SAMPLE).max(1)).collect();
    let stale: Vec<usize> = sample.iter().copied().filter(|&i| !score.is_exact(i)).collect();
    score.tighten(pool, &stale, f64::NEG_INFINITY);
    best_exact(score, &sample)
}

fn best_exact(score: &dyn Score, candidates: &[usize]) -> f64 {
    let exact = candidates.iter().filter(|&&i| score.is_exact(i));
    exact.map(|&i| score.bounds()[i]).fold(f64::NEG_INFINITY, f64::max)
}
