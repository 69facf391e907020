//! `x^T Sigma x`: the predictive variance of a candidate.
//!
//! It never increases: an observation takes a positive semidefinite matrix from `Sigma`.

use rayon::prelude::*;

use super::Informative;
use crate::conditioned::{Conditioned, dot};
use crate::linalg::{Block, GROUP, LANES, quadratic_forms};
use crate::posterior::Posterior;
use crate::rows::Pool;

/// A variance that fell below this fraction of what it was when last computed from the factor is computed anew: what
/// is left of it after so much was subtracted has lost a digit.
const CANCELLED: f64 = 0.1;
/// Rounding errors of a subtraction, as a fraction of the number that was subtracted from.
const ROUNDING: f64 = 1e-14;

/// The variance of a candidate as far as it is known.
#[derive(Clone, Copy)]
struct State {
    /// Directions accounted for.
    applied: u32,
    /// The variance when it was last computed from the factor.
    reference: f64,
}

pub(crate) struct Energy {
    bounds: Vec<f64>,
    states: Vec<State>,
}

impl Energy {
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior) -> Self {
        let bounds = quadratic_forms(pool.structures(), posterior.inverse());
        let states = bounds.iter().map(|&reference| State { applied: 0, reference }).collect();
        Self { bounds, states }
    }
}

impl Informative for Energy {
    fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    fn is_exact(&self, candidate: usize, posterior: &Conditioned) -> bool {
        self.states[candidate].applied as usize == posterior.count()
    }

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &Conditioned, candidates: &[usize], threshold: f64) {
        // Candidates that miss the same directions share the work.
        let mut order = candidates.to_vec();
        order.sort_unstable_by_key(|&i| (self.states[i].applied, i));
        let capacity = Block::capacity(pool.dim());
        let tightened: Vec<Vec<(f64, State)>> = order
            .par_chunks(capacity)
            .map_init(
                || Block::new(pool.dim()),
                |block, candidates| {
                    block.load(pool.structures(), candidates.iter().copied());
                    let mut known: Vec<_> = candidates.iter().map(|&i| (self.bounds[i], self.states[i])).collect();
                    Catchup { posterior, threshold }.run(block, &mut known);
                    known
                },
            )
            .collect();
        for (candidate, (bound, state)) in order.into_iter().zip(tightened.into_iter().flatten()) {
            self.bounds[candidate] = bound;
            self.states[candidate] = state;
        }
    }

    fn observed(&mut self, _pool: &Pool<'_>, _posterior: &Conditioned) {}

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        quadratic_forms(pool.structures(), posterior.inverse())
    }
}

/// Bringing a block of candidates up to date.
struct Catchup<'a> {
    posterior: &'a Conditioned,
    threshold: f64,
}

impl Catchup<'_> {
    fn run(&self, block: &Block, known: &mut [(f64, State)]) {
        let (factor, base_count) = self.posterior.base();
        let (_, first) = self.posterior.directions();
        let count = self.posterior.count();
        // From the factor, where that takes fewer products than the directions that were missed.
        let afresh = |state: &State| {
            let missed = count - state.applied as usize;
            (state.applied as usize) < first || missed > factor.dim() / 2 + count - base_count
        };
        for (group, known) in known.chunks_mut(GROUP).enumerate() {
            if known.iter().any(|(_, state)| afresh(state)) {
                let mut variances = [0.0; GROUP];
                for p in 0..factor.count() {
                    for (v, dots) in variances.iter_mut().zip(block.dots(group, factor.panel(p))) {
                        *v += dots.iter().map(|d| d * d).sum::<f64>();
                    }
                }
                for ((bound, state), variance) in known.iter_mut().zip(variances) {
                    *bound = variance;
                    *state = State { applied: base_count as u32, reference: variance };
                }
            }
            self.subtract(block, group, known);
            for (row, (bound, state)) in known.iter_mut().enumerate() {
                if *bound < CANCELLED * state.reference {
                    *bound = bound.max(0.0) + ROUNDING * state.reference;
                    if *bound >= self.threshold {
                        let q = self.posterior.whiten(block.row(group * GROUP + row));
                        *bound = dot(&q, &q);
                        *state = State { applied: count as u32, reference: *bound };
                    }
                }
            }
        }
    }

    /// Subtract the squared products with the missed directions, panel by panel, while anybody's bound is too high.
    fn subtract(&self, block: &Block, group: usize, known: &mut [(f64, State)]) {
        let (directions, first) = self.posterior.directions();
        let count = self.posterior.count();
        let from = known.iter().map(|(_, state)| state.applied as usize).min().unwrap_or(count);
        for p in (from - first) / LANES..directions.count() {
            let start = first + p * LANES;
            let end = count.min(start + LANES);
            let wanted = |(bound, state): &(f64, State)| *bound >= self.threshold && (state.applied as usize) < end;
            // A panel that is still being filled is left until it is, unless somebody may win.
            if !known.iter().any(wanted) {
                if end < start + LANES || known.iter().all(|(bound, _)| *bound < self.threshold) {
                    break;
                }
                continue;
            }
            let full = end == start + LANES;
            for (known, dots) in known.iter_mut().zip(block.dots(group, directions.panel(p))) {
                let applied = known.1.applied as usize;
                if applied < end && applied >= start && (full || wanted(known)) {
                    for dot in &dots[applied - start..end - start] {
                        known.0 -= dot * dot;
                    }
                    known.1.applied = end as u32;
                }
            }
        }
    }
}
