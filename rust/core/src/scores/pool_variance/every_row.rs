//! The scores of all candidates after each pick, by two dot products a candidate.

use super::target::Target;

use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::{Pool, Rows};
use crate::data::spans::in_spans;
use crate::linalg::{Panels, quadratic_forms};
use crate::scores::Informative;
use crate::scores::products::{account_for, update_rows};

/// If the best score falls below this fraction of its value at the last computation from the factor, all is recomputed.
const CANCELLED: f64 = 1e-3;

pub(crate) struct EveryRow {
    target: Target,
    /// `x^T Sigma x` of each candidate.
    variances: Vec<f64>,
    /// `x^T Sigma M Sigma x` of each candidate.
    numerators: Vec<f64>,
    scores: Vec<f64>,
    /// The best score when everything was last computed from the factor.
    reference: f64,
    /// Number of directions accounted for.
    applied: usize,
}

impl EveryRow {
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, target: &dyn Rows) -> Self {
        let mut out = Self {
            target: Target::of_rows(target),
            variances: Vec::new(),
            numerators: Vec::new(),
            scores: Vec::new(),
            reference: 0.0,
            applied: 0,
        };
        out.evaluate(pool, posterior);
        out
    }

    fn evaluate(&mut self, pool: &Pool<'_>, posterior: &Posterior) {
        (self.variances, self.numerators) = parts(&self.target, pool, posterior);
        self.combine(1.0 / posterior.noise_precision());
        self.reference = maximum(&self.scores);
    }

    fn combine(&mut self, noise: f64) {
        self.scores = combine(&self.variances, &self.numerators, noise);
    }

    /// Update for one direction `w`, given the posterior after it: `Sigma_before = Sigma + w w^T`.
    fn follow(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, w: &[f64]) {
        let mw = self.target.times(w);
        let u = posterior.covariance_times(&mw);
        let wmw = dot(w, &mw);
        let mut directions = Panels::new(w.len());
        directions.push(w);
        directions.push(&u);
        in_spans(pool.structures(), |span, range| {
            let numbers = [&mut self.variances[range.clone()], &mut self.numerators[range]];
            update_rows(&span, &directions, numbers, |products, [variance, numerator]| {
                account_for(products[0], products[1], wmw, variance, numerator);
            });
        });
        self.combine(1.0 / posterior.noise_precision());
    }
}

impl Informative for EveryRow {
    fn bounds(&self) -> &[f64] {
        &self.scores
    }

    fn may_rise(&self) -> bool {
        true
    }

    fn is_exact(&self, _candidate: usize, _posterior: &RunningPosterior) -> bool {
        true
    }

    fn tighten(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior, _candidates: &[usize], _threshold: f64) {}

    // All candidates go through the same operations, so equal candidates have equal bits.
    fn settle(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior, _candidates: &[usize]) {}

    fn observed(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior) {
        let step = posterior.only_direction_since(self.applied);
        if let Some(w) = &step {
            self.follow(pool, posterior, w);
        }
        if step.is_none() || maximum(&self.scores) < CANCELLED * self.reference {
            self.evaluate(pool, &posterior.posterior());
        }
        self.applied = posterior.count();
    }

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        let (variances, numerators) = parts(&self.target, pool, posterior);
        combine(&variances, &numerators, 1.0 / posterior.noise_precision())
    }
}

/// Variances and numerators from the factor of the posterior.
pub(super) fn parts(target: &Target, pool: &Pool<'_>, posterior: &Posterior) -> (Vec<f64>, Vec<f64>) {
    let directions = target.seen_from_rows(posterior);
    let (mut variances, mut numerators) = (Vec::with_capacity(pool.len()), Vec::with_capacity(pool.len()));
    in_spans(pool.structures(), |span, _| {
        variances.extend(quadratic_forms(&span, posterior.inverse()));
        numerators.extend(quadratic_forms(&span, &directions));
    });
    (variances, numerators)
}

pub(super) fn combine(variances: &[f64], numerators: &[f64], noise: f64) -> Vec<f64> {
    // Both are sums of squares, negative only by rounding.
    variances.iter().zip(numerators).map(|(v, g)| g.max(0.0) / (noise + v.max(0.0))).collect()
}

fn maximum(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(0.0, f64::max)
}
