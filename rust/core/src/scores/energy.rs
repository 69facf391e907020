//! `x^T Sigma x`: the predictive variance of a candidate.
//!
//! It never rises: an observation subtracts a positive semidefinite matrix from `Sigma`. So an earlier variance is an
//! upper bound. A bound that is too high is lowered in two steps: first rigorously from a copy of the candidate rounded
//! to 16-bit integers, then, if it is still too high, exactly.

use rayon::prelude::*;

use super::Informative;
use super::catchup::{Catchup, Known};
use super::estimate::Estimate;
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::Pool;
use crate::linalg::{Block, quadratic_forms};

pub(crate) struct Energy {
    bounds: Vec<f64>,
    known: Vec<Known>,
    estimate: Option<Estimate>,
}

impl Energy {
    /// With `estimated`, bounds are first lowered from rounded candidates: two bytes for each number in the pool.
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, estimated: bool) -> Self {
        let (estimate, bounds) = if estimated {
            let (estimate, bounds) = Estimate::new(pool, posterior);
            (Some(estimate), bounds)
        } else {
            (None, quadratic_forms(pool.structures(), posterior.inverse()))
        };
        let known = bounds.iter().map(|&variance| Known::at(variance, 0)).collect();
        Self { bounds, known, estimate }
    }

    /// Update variances from the rows, until each is exact or below the threshold.
    fn compute(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, mut candidates: Vec<usize>, threshold: f64) {
        // Candidates that miss the same directions share the work.
        candidates.sort_unstable_by_key(|&i| (self.known[i].applied, i));
        let capacity = Block::capacity(pool.dim());
        let catchup = Catchup { posterior, threshold };
        let computed: Vec<Vec<Known>> = candidates
            .par_chunks(capacity)
            .map_init(
                || Block::new(pool.dim()),
                |block, candidates| {
                    block.load(pool.structures(), candidates.iter().copied());
                    let mut known: Vec<_> = candidates.iter().map(|&i| self.known[i]).collect();
                    catchup.run(block, &mut known);
                    known
                },
            )
            .collect();
        for (candidate, known) in candidates.into_iter().zip(computed.into_iter().flatten()) {
            self.bounds[candidate] = known.variance;
            self.known[candidate] = known;
            if let Some(estimate) = &mut self.estimate {
                estimate.restart(candidate, known.applied);
            }
        }
    }
}

impl Informative for Energy {
    fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    fn is_exact(&self, candidate: usize, posterior: &RunningPosterior) -> bool {
        self.known[candidate].applied as usize == posterior.count()
    }

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize], threshold: f64) {
        let mut left = candidates.to_vec();
        if let Some(estimate) = &mut self.estimate {
            let known = &self.known;
            estimate.lower(&mut left, |i| known[i].variance, &mut self.bounds);
            left.retain(|&i| self.bounds[i] >= threshold);
        }
        self.compute(pool, posterior, left, threshold);
    }

    fn settle(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize]) {
        let compute = |row: &mut Vec<f64>, &candidate: &usize| {
            pool.structures().read(candidate, row);
            let q = posterior.whiten(row);
            dot(&q, &q)
        };
        let variances: Vec<f64> = candidates.par_iter().map_init(|| vec![0.0; pool.dim()], compute).collect();
        for (&candidate, variance) in candidates.iter().zip(variances) {
            let known = Known::at(variance, posterior.count());
            self.bounds[candidate] = known.variance;
            self.known[candidate] = known;
            if let Some(estimate) = &mut self.estimate {
                estimate.restart(candidate, known.applied);
            }
        }
    }

    fn observed(&mut self, _pool: &Pool<'_>, posterior: &RunningPosterior) {
        let Some(estimate) = &mut self.estimate else { return };
        if let Some(w) = posterior.only_direction_since(estimate.count()) {
            estimate.observed(&w);
        }
    }

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        quadratic_forms(pool.structures(), posterior.inverse())
    }
}
