//! `x^T Sigma x`: the predictive variance of a candidate.
//!
//! It never rises: an observation subtracts a positive semidefinite matrix from `Sigma`. So an earlier variance is an
//! upper bound. A bound that is too high is lowered in two steps: first rigorously from a copy of the candidate rounded
//! to 16-bit integers, then, if it is still too high, exactly, the largest bounds first. Where variances fall by orders
//! of magnitude, as without a core, errors of rounding become larger than what is left, and candidates are rounded again.

use rayon::prelude::*;

use super::Informative;
use super::catchup::{Catchup, Known};
use super::estimate::Estimate;
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::Pool;
use crate::greedy::near_tie_limit;
use crate::linalg::{Block, quadratic_forms};

/// Candidates are rounded again if errors of rounding have grown by this factor relative to the best score, and have cost
/// the computation of one variance for each candidate.
const GROWN: f64 = 2.0;
/// Number of candidates with the largest bounds whose variances are computed first.
const FIRST: usize = 48;
/// Factor from that number to the next.
const MORE: usize = 4;
/// To round all candidates again costs less than to compute the variances of this part of them.
const WORTH: usize = 4;

pub(crate) struct Energy {
    bounds: Vec<f64>,
    known: Vec<Known>,
    estimate: Option<Estimate>,
    /// The first threshold after candidates were rounded, and the last one.
    thresholds: [f64; 2],
    /// Number of variances that were computed since, though they were below the threshold.
    wasted: usize,
}

impl Energy {
    /// With `estimated`, bounds are first lowered from rounded candidates: two bytes for each number in the pool.
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, estimated: bool) -> Self {
        let (estimate, bounds) = if estimated {
            let (estimate, bounds) = Estimate::new(pool, posterior, 0);
            (Some(estimate), bounds)
        } else {
            (None, quadratic_forms(pool.structures(), posterior.inverse()))
        };
        let known = bounds.iter().map(|&variance| Known::at(variance, 0)).collect();
        Self { bounds, known, estimate, thresholds: [0.0; 2], wasted: 0 }
    }

    /// Round candidates in the coordinates of the present posterior.
    fn round_again(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior) {
        // The former copy makes room first.
        self.estimate = None;
        let (estimate, variances) = Estimate::new(pool, &posterior.posterior(), posterior.count());
        self.known = variances.iter().map(|&variance| Known::at(variance, posterior.count())).collect();
        (self.estimate, self.bounds) = (Some(estimate), variances);
        (self.thresholds, self.wasted) = ([0.0; 2], 0);
    }

    /// Update variances from the rows, until each is exact or below the threshold.
    fn compute(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &mut [usize], threshold: f64) {
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
        for (&candidate, known) in candidates.iter().zip(computed.iter().flatten()) {
            self.bounds[candidate] = known.variance;
            self.known[candidate] = *known;
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
        self.thresholds = [self.thresholds[0].max(threshold), threshold];
        let mut left = candidates.to_vec();
        if let Some(estimate) = &mut self.estimate {
            let known = &self.known;
            estimate.lower(&mut left, |i| known[i].variance, &mut self.bounds);
            left.retain(|&i| self.bounds[i] >= threshold);
        }
        // The candidates with the largest bounds come first: their scores rule out most of the others.
        let (mut limit, mut size) = (threshold, FIRST);
        while !left.is_empty() {
            let bounds = &self.bounds;
            if left.len() > size {
                left.select_nth_unstable_by(size, |&a, &b| bounds[b].total_cmp(&bounds[a]).then(a.cmp(&b)));
            }
            let mut largest: Vec<usize> = left.drain(..size.min(left.len())).collect();
            self.compute(pool, posterior, &mut largest, limit);
            let wasted = largest.iter().filter(|&&i| self.bounds[i] < threshold).count();
            self.wasted += wasted;
            // If even the largest bounds were wrong, rounding again makes all of them exact.
            if wasted == size && left.len() * WORTH > pool.len() && self.estimate.is_some() {
                return self.round_again(pool, posterior);
            }
            let exact = largest.iter().filter(|&&i| self.is_exact(i, posterior));
            limit = exact.map(|&i| near_tie_limit(self.bounds[i])).fold(limit, f64::max);
            left.retain(|&i| self.bounds[i] >= limit);
            size *= MORE;
        }
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

    fn observed(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior) {
        let Some(estimate) = &mut self.estimate else { return };
        if let Some(w) = posterior.only_direction_since(estimate.count()) {
            estimate.observed(&w);
        }
        let [first, last] = self.thresholds;
        if self.wasted > pool.len() && last * GROWN.powi(2) < first {
            self.round_again(pool, posterior);
        }
    }

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        quadratic_forms(pool.structures(), posterior.inverse())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::rows::View;

    /// Without a core, variances fall from 1e9 to 1 as soon as there are as many picks as features.
    #[test]
    fn candidates_are_rounded_again_when_variances_collapse() {
        let (count, dim) = (60, 8);
        let data: Vec<f64> = (0..count * dim).map(|k| (1.0 + k as f64 * 12.9898).sin()).collect();
        let pool = Pool::new(View::new(&data, count, dim).unwrap());
        let start = Posterior::isotropic(dim, 1e-9, 1.0).unwrap();
        let mut energy = Energy::new(&pool, &start, true);
        let mut posterior = RunningPosterior::new(start);
        let all: Vec<usize> = (0..count).collect();
        for _ in 0..60 {
            let scores = energy.definition(&pool, &posterior.posterior());
            let (best, largest) = (0..count).map(|i| (i, scores[i])).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            energy.tighten(&pool, &posterior, &all, largest * (1.0 - 1e-9));
            for i in all.iter().copied() {
                assert!(energy.bounds()[i] >= scores[i] * (1.0 - 1e-9), "{} {}", energy.bounds()[i], scores[i]);
            }
            assert!((energy.bounds()[best] - largest).abs() <= 1e-9 * largest);
            posterior.observe(&data[best * dim..(best + 1) * dim]);
            energy.observed(&pool, &posterior);
        }
        assert!(energy.estimate.is_some_and(|estimate| estimate.before > 0));
    }
}
