//! The decrease of the mean standard deviation of the target, if `x` is observed:
//! `mean_t [ sd(t) - sqrt(sd(t)^2 - (t^T Sigma x)^2 / (1/beta + x^T Sigma x)) ]`.
//!
//! It may rise between picks, so earlier scores are no bounds. After each pick, one pass over the pool bounds every
//! score from a few products. Candidates whose bound is not below the best score so far get a sharper bound. The few
//! that remain are scored exactly. See [`super::leading`] for the bounds.
//!
//! If the leading eigenvalues of the target are not large, too many remain. Then `x^T Sigma M Sigma x`, with `M` the
//! mean of `t t^T / sd(t)` over the target rows `t`, is computed for all candidates and updated as in
//! [`super::pool_variance`]. `M` keeps the deviations of that time, except those of a few target rows that fell most,
//! which each pass brings up to date; [`Deviations::drift`] corrects for the others.

use std::ops::Range;

use rayon::prelude::*;

use super::Informative;
use super::deviations::Deviations;
use super::leading::{Candidate, Interval, Leading};
use super::products::{account_for, update_rows};
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::{Pool, Rows};
use crate::data::spans::{Span, in_spans};
use crate::greedy::near_tie_limit;
use crate::linalg::{GROUP, LANES, Panels, quadratic_forms};

/// If the best score falls below this fraction of its value at the last computation from the factor, all is recomputed.
const CANCELLED: f64 = 1e-3;
/// Rounding errors of numbers after updates by directions, relative to the largest.
const FOLLOWING_ERROR: f64 = 1e-11;
/// Numerators are recomputed only if that lowers bounds by more than this fraction.
const DRIFT: f64 = 0.02;
/// Number of target rows whose deviations in `M` one pass brings up to date. With the two directions of an update they
/// fill a panel.
const CAUGHT_UP: usize = LANES - 2;
/// Number of candidates whose bounds are sharpened together: the first and the largest.
const SHARPENED: [usize; 2] = [96, 6144];
/// Number of candidates whose scores are computed together: the first and the largest.
const EVALUATED: [usize; 2] = [12, 384];

/// The meaning of the number in `bounds` of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Bound,
    SharpBound,
    Score,
}

/// An update of all candidates by one direction `w`.
struct Step {
    /// `w`; if there are numerators, also `Sigma M w`, and the directions of [`Deviations::catch_up`].
    directions: Vec<Vec<f64>>,
    wmw: f64,
}

impl Step {
    /// Update the numbers of a candidate, given its products with the directions.
    fn account(&self, products: &[f64], variance: &mut f64, numerator: &mut f64) {
        match products {
            [a, b, rest @ ..] => {
                account_for(*a, *b, self.wmw, variance, numerator);
                *numerator += rest.iter().map(|product| product * product).sum::<f64>();
            }
            _ => *variance -= products.iter().map(|a| a * a).sum::<f64>(),
        }
    }
}

pub(crate) struct PoolStd {
    target: Deviations,
    /// The leading directions of the target, if they were needed since the last update.
    leading: Option<Leading>,
    /// `x^T Sigma x` of each candidate.
    variances: Vec<f64>,
    variance_error: f64,
    /// `x^T Sigma M Sigma x` of each candidate, infinite before it is needed.
    numerators: Vec<f64>,
    numerator_error: f64,
    /// The deviations in `M`, if it was needed.
    earlier: Option<Vec<f64>>,
    /// The factor and the sum of [`Deviations::drift`].
    drift: (f64, f64),
    bounds: Vec<f64>,
    known: Vec<Known>,
    best: f64,
    /// Number of scores computed since numerators were last computed.
    scored: usize,
    /// The best score when everything was last computed from the factor.
    reference: f64,
    /// Number of directions accounted for.
    applied: usize,
}

impl PoolStd {
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, target: &dyn Rows) -> Self {
        let posterior = RunningPosterior::new(posterior.clone());
        let target = Deviations::new(&posterior, target);
        let mut out = Self {
            target,
            leading: None,
            variances: Vec::new(),
            variance_error: 0.0,
            numerators: Vec::new(),
            numerator_error: 0.0,
            earlier: None,
            drift: (1.0, 0.0),
            bounds: vec![0.0; pool.len()],
            known: vec![Known::Bound; pool.len()],
            best: 0.0,
            scored: 0,
            reference: 0.0,
            applied: 0,
        };
        out.evaluate(pool, &posterior);
        out
    }

    /// Largest number of bytes for given numbers of candidates and target rows.
    pub(crate) fn bytes(candidates: usize, target: usize, dim: usize) -> usize {
        let each = 3 * size_of::<f64>() + size_of::<Known>() + 4 * size_of::<usize>();
        let matrices = 6 * size_of::<f64>() * dim * dim;
        candidates.saturating_mul(each).saturating_add(Deviations::bytes(target, dim)).saturating_add(matrices)
    }

    /// Compute everything from the factor of the posterior.
    fn evaluate(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior) {
        self.target.start(posterior);
        let exact = posterior.posterior();
        self.variances.clear();
        in_spans(pool.structures(), |span, _| self.variances.extend(quadratic_forms(&span, exact.inverse())));
        self.variance_error = FOLLOWING_ERROR * maximum(&self.variances);
        self.forget_numerators();
        self.leading = Some(Leading::new(&self.target, posterior));
        self.survey(pool, posterior, None);
        self.reference = self.best;
    }

    fn forget_numerators(&mut self) {
        self.numerators.clear();
        self.numerators.resize(self.variances.len(), f64::INFINITY);
        (self.earlier, self.drift) = (None, (1.0, 0.0));
    }

    /// Whether the scores that were computed cost more than one pass that computes numerators.
    fn has_spent_a_pass(&self, pool: &Pool<'_>) -> bool {
        2 * self.scored * self.target.deviations().len() > pool.len() * pool.dim()
    }

    /// Compute the numerators in one pass.
    fn compute_numerators(&mut self, pool: &Pool<'_>) {
        let directions = self.target.square();
        self.numerators.clear();
        in_spans(pool.structures(), |span, _| self.numerators.extend(quadratic_forms(&span, &directions)));
        self.numerator_error = FOLLOWING_ERROR * maximum(&self.numerators);
        self.earlier = Some(self.target.deviations().to_vec());
        (self.drift, self.scored) = ((1.0, 0.0), 0);
    }

    /// Bound every candidate and find the best score in one pass, after the update `step`, if any.
    fn survey(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, step: Option<&Step>) {
        self.best = 0.0;
        let mut has_given_up = false;
        in_spans(pool.structures(), |span, range| {
            self.bound(&span, range.clone(), step);
            has_given_up |= self.earlier.is_none() && self.has_spent_a_pass(pool);
            if !has_given_up {
                let limit = near_tie_limit(self.best);
                let contenders = range.filter(|&candidate| self.bounds[candidate] >= limit).collect();
                self.best = self.lower(pool.structures(), posterior, contenders, limit).max(self.best);
            }
        });
        if has_given_up {
            self.leading = None;
            self.compute_numerators(pool);
            return self.survey(pool, posterior, None);
        }
        let has_drifted = self.drift.0 * self.best + self.drift.1 > (1.0 + DRIFT) * self.best;
        if self.has_spent_a_pass(pool) && (self.earlier.is_none() || has_drifted) {
            self.compute_numerators(pool);
        }
    }

    /// Update the numbers of consecutive candidates and bound their scores.
    fn bound(&mut self, span: &Span<'_>, range: Range<usize>, step: Option<&Step>) {
        let (leading, noise) = (self.leading.as_ref(), self.target.noise());
        // The leading directions may have been found on the rows before.
        let mut directions = leading.map_or_else(|| Panels::new(span.dim()), |leading| leading.directions().clone());
        step.into_iter().flat_map(|step| &step.directions).for_each(|direction| directions.push(direction));
        let count = leading.map_or(0, Leading::len);
        let (errors, drift) = ((self.variance_error, self.numerator_error), self.drift);
        let numbers = [&mut self.variances, &mut self.numerators, &mut self.bounds].map(|all| &mut all[range.clone()]);
        update_rows(span, &directions, numbers, |products, [variance, numerator, bound]| {
            if let Some(step) = step {
                step.account(&products[count..count + step.directions.len()], variance, numerator);
            }
            let candidate = candidate(*variance, *numerator, errors, drift);
            *bound = match leading {
                Some(leading) => leading.bound(&products[..count], candidate),
                None => candidate.bound(noise),
            };
        });
        self.known[range].fill(Known::Bound);
    }

    /// Lower the bounds of candidates until each is the exact score, below `limit`, or too low to tie with the best of
    /// them. Returns the best exact score.
    fn lower(
        &mut self,
        rows: &dyn Rows,
        posterior: &RunningPosterior,
        mut candidates: Vec<usize>,
        mut limit: f64,
    ) -> f64 {
        let mut best = f64::NEG_INFINITY;
        self.sort(&mut candidates);
        let (mut rest, mut size) = (&candidates[..], SHARPENED[0]);
        while !rest.is_empty() && self.bounds[rest[0]] >= limit {
            self.need_leading(posterior, rest, limit);
            let (now, later) = rest.split_at(size.min(rest.len()));
            let mut now: Vec<usize> = now.iter().copied().filter(|&i| self.bounds[i] >= limit).collect();
            self.sharpen(rows, &now);
            self.sort(&mut now);
            let (mut left, mut few) = (&now[..], EVALUATED[0]);
            while !left.is_empty() && self.bounds[left[0]] >= limit {
                let (now, later) = left.split_at(few.min(left.len()));
                let scores = self.target.scores(rows, now, |candidate| self.variances[candidate]);
                for (&candidate, score) in now.iter().zip(scores) {
                    self.bounds[candidate] = score;
                    self.known[candidate] = Known::Score;
                    best = best.max(score);
                }
                self.scored += now.len();
                limit = limit.max(near_tie_limit(best));
                (left, few) = (later, EVALUATED[1].min(2 * few));
            }
            (rest, size) = (later, SHARPENED[1].min(2 * size));
        }
        best
    }

    /// Compute the leading directions, if the scores of the contenders among sorted candidates cost more.
    fn need_leading(&mut self, posterior: &RunningPosterior, sorted: &[usize], limit: f64) {
        let contenders = sorted.partition_point(|&candidate| self.bounds[candidate] >= limit);
        let (dim, len) = (posterior.dim(), self.target.deviations().len());
        // A matrix of products of the target with itself, and its eigenvectors.
        let cost = len * dim * dim + 10 * dim.pow(3);
        if self.leading.is_none() && limit > 0.0 && contenders * len * dim > cost {
            self.leading = Some(Leading::new(&self.target, posterior));
        }
    }

    /// Update the target for a direction, and return the update of the candidates.
    fn step(&mut self, posterior: &RunningPosterior, w: Vec<f64>) -> Step {
        self.target.follow(posterior, &w);
        let Some(earlier) = &mut self.earlier else {
            self.leading = Some(Leading::new(&self.target, posterior));
            return Step { wmw: 0.0, directions: vec![w] };
        };
        self.leading = None;
        let mw = self.target.square_times(earlier, &w);
        let wmw = dot(&w, &mw);
        let mut directions = vec![w, posterior.covariance_times(&mw)];
        directions.extend(self.target.catch_up(earlier, CAUGHT_UP));
        self.drift = self.target.drift(earlier, self.best);
        Step { directions, wmw }
    }

    /// Lower the bounds of candidates to their sharper bounds.
    fn sharpen(&mut self, rows: &dyn Rows, candidates: &[usize]) {
        let Some(leading) = &self.leading else { return };
        let dim = rows.dim();
        let (errors, drift) = ((self.variance_error, self.numerator_error), self.drift);
        // With so few features the exact score costs no more.
        if dim <= leading.len() {
            return;
        }
        let stale: Vec<usize> = candidates.iter().copied().filter(|&i| self.known[i] == Known::Bound).collect();
        let bounds: Vec<[f64; GROUP]> = stale
            .par_chunks(GROUP)
            .map_init(
                || vec![0.0; GROUP * dim],
                |data, group| {
                    data.fill(0.0);
                    let mut known = [candidate(0.0, 0.0, errors, drift); GROUP];
                    for ((&i, row), known) in group.iter().zip(data.chunks_exact_mut(dim)).zip(&mut known) {
                        rows.read(i, row);
                        *known = candidate(self.variances[i], self.numerators[i], errors, drift);
                    }
                    leading.sharp_bounds(&leading.products(data), known)
                },
            )
            .collect();
        for (group, bounds) in stale.chunks(GROUP).zip(bounds) {
            for (&candidate, bound) in group.iter().zip(bounds) {
                self.bounds[candidate] = self.bounds[candidate].min(bound);
                self.known[candidate] = Known::SharpBound;
            }
        }
    }

    /// Larger bounds first; of equal bounds, the lower index.
    fn sort(&self, candidates: &mut [usize]) {
        candidates.sort_unstable_by(|&a, &b| self.bounds[b].total_cmp(&self.bounds[a]).then(a.cmp(&b)));
    }
}

/// The numbers of a candidate as intervals that contain their rounding errors.
fn candidate(variance: f64, numerator: f64, errors: (f64, f64), (factor, beside): (f64, f64)) -> Candidate {
    let sum = factor * Interval::around(numerator, errors.1).high;
    Candidate { variance: Interval::around(variance, errors.0), sum, beside }
}

fn maximum(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(0.0, f64::max)
}

impl Informative for PoolStd {
    fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    fn may_rise(&self) -> bool {
        true
    }

    fn is_exact(&self, candidate: usize, _posterior: &RunningPosterior) -> bool {
        self.known[candidate] == Known::Score
    }

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize], threshold: f64) {
        self.lower(pool.structures(), posterior, candidates.to_vec(), threshold);
        pool.structures().release(0..pool.len());
    }

    // All candidates go through the same operations, so equal candidates have equal bits.
    fn settle(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior, _candidates: &[usize]) {}

    fn observed(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior) {
        let step = posterior.only_direction_since(self.applied).map(|w| self.step(posterior, w));
        if let Some(step) = &step {
            self.survey(pool, posterior, Some(step));
        }
        if step.is_none() || self.best < CANCELLED * self.reference {
            self.evaluate(pool, posterior);
        }
        self.applied = posterior.count();
    }

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        let variances = quadratic_forms(pool.structures(), posterior.inverse());
        let target = self.target.seen_by(&RunningPosterior::new(posterior.clone()));
        let all: Vec<usize> = (0..pool.len()).collect();
        target.scores(pool.structures(), &all, |candidate| variances[candidate])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::{BLOCK_BYTES, TEST_BLOCK_BYTES, View};

    /// Rows with a decaying or a flat spectrum; some rows are zero, some equal.
    fn rows(count: usize, dim: usize, seed: u32, power: i32) -> Vec<f64> {
        (0..count * dim)
            .map(|k| {
                let (i, j) = (k / dim, k % dim);
                let i = if i % 5 == 4 { i - 4 } else { i };
                let wave = (f64::from(seed) * 0.61 + i as f64 * 12.9898 + j as f64 * 78.233).sin() * 43758.5453;
                if i % 7 == 6 { 0.0 } else { wave.fract() / f64::from(1 + j as u32).powi(power) }
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bounds_are_above_the_score_and_sharper_ones_below_them(
            count in 1_usize..60, target in 1_usize..40, dim in 1_usize..90, seed in 0_u32..1000, power in 0..3_i32,
            prior in -7..3_i32, picks in 0_usize..6,
        ) {
            let (data, targets) = (rows(count, dim, seed, power), rows(target, dim, seed + 1, power));
            let pool = Pool::new(View::new(&data, count, dim).unwrap());
            let start = Posterior::isotropic(dim, 10_f64.powi(prior), 1.0).unwrap();
            let view = View::new(&targets, target, dim).unwrap();
            let mut score = PoolStd::new(&pool, &start, &view);
            let mut posterior = RunningPosterior::new(start);
            for pick in 0..picks {
                posterior.observe(&data[pick * 7 % count * dim..(pick * 7 % count + 1) * dim]);
                score.observed(&pool, &posterior);
            }
            if let Some(earlier) = &score.earlier {
                for (x, &numerator) in data.chunks_exact(dim).zip(&score.numerators) {
                    let y = posterior.covariance_times(x);
                    let plain = dot(&y, &score.target.square_times(earlier, &y));
                    prop_assert!((numerator - plain).abs() <= score.numerator_error + 1e-7 * plain, "{} {}", numerator, plain);
                }
            }
            let exact = score.definition(&pool, &posterior.posterior());
            let largest = exact.iter().copied().fold(0.0, f64::max);
            let all: Vec<usize> = (0..count).collect();
            let view = View::new(&data, count, dim).unwrap();
            let leading = score.leading.get_or_insert_with(|| Leading::new(&score.target, &posterior));
            let directions = leading.directions().clone();
            in_spans(&view, |span, range| score.bound(&span, range, None));
            let first = score.bounds.clone();
            score.sharpen(&view, &all);
            for i in 0..count {
                prop_assert!(first[i] >= exact[i] * (1.0 - 1e-9) - 1e-12 * largest, "{} {}", first[i], exact[i]);
                prop_assert!(score.bounds[i] >= exact[i] * (1.0 - 1e-9) - 1e-12 * largest);
                prop_assert!(score.bounds[i] <= first[i]);
                // Only the part orthogonal to the leading directions is not within a factor of 2.
                if dim <= directions.len() {
                    let slack = 1e-8 * (first.iter().copied().fold(0.0, f64::max) + score.variance_error);
                    prop_assert!(first[i] <= 2.0 * exact[i] * (1.0 + 1e-5) + slack, "{} {}", first[i], exact[i]);
                }
            }
        }
    }

    #[test]
    fn few_scores_are_computed() {
        // Each block computes some scores before it knows the best.
        TEST_BLOCK_BYTES.set(BLOCK_BYTES);
        let (count, dim) = (4000, 80);
        let data = rows(count, dim, 3, 1);
        let pool = Pool::new(View::new(&data, count, dim).unwrap());
        let target = View::new(&data[..500 * dim], 500, dim).unwrap();
        // The spectrum is flat if the observed rows are like the target.
        for observed in [0, 2000] {
            let mut start = Posterior::isotropic(dim, 1e-3, 1.0).unwrap();
            start.update(&View::new(&data[..observed * dim], observed, dim).unwrap()).unwrap();
            let mut score = PoolStd::new(&pool, &start, &target);
            let mut posterior = RunningPosterior::new(start);
            for pick in 0..3 {
                posterior.observe(&data[(3000 + pick) * dim..(3001 + pick) * dim]);
                score.observed(&pool, &posterior);
            }
            let scored = score.known.iter().filter(|&&known| known == Known::Score).count();
            assert!(scored < count / 10, "{scored} {observed}");
        }
    }
}
