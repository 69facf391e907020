//! `x^T Sigma M Sigma x / (1/beta + x^T Sigma x)`: decrease of the mean variance of the target.
//!
//! `M` is the mean of `t t^T` over the target rows `t` (V- or I-optimal design). The score may rise between picks, so
//! after each pick one pass over the pool updates every candidate by two dot products.

use faer::Mat;

use super::Informative;
use super::products::{account_for, update_rows};
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::rows::{Pool, Rows};
use crate::data::spans::in_spans;
use crate::error::Result;
use crate::linalg::{Panels, append_rows, invert, quadratic_forms};

/// If the best score falls below this fraction of its value at the last computation from the factor, all is recomputed.
const CANCELLED: f64 = 1e-3;

pub(crate) struct PoolVariance {
    /// Upper triangular, `T^T T = M`.
    target: Mat<f64>,
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

impl PoolVariance {
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, target: &dyn Rows) -> Result<Self> {
        let mut out = Self {
            target: mean_square_factor(target),
            variances: Vec::new(),
            numerators: Vec::new(),
            scores: Vec::new(),
            reference: 0.0,
            applied: 0,
        };
        out.evaluate(pool, posterior);
        Ok(out)
    }

    /// Largest number of bytes for a number of candidates.
    pub(crate) fn bytes(candidates: usize, dim: usize) -> usize {
        size_of::<f64>() * (5 * candidates + 12 * dim * dim)
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
        let mw = self.mean_square_times(w);
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

    fn mean_square_times(&self, w: &[f64]) -> Vec<f64> {
        let w = faer::ColRef::from_slice(w);
        let product = self.target.transpose() * (&self.target * w);
        product.iter().copied().collect()
    }
}

impl Informative for PoolVariance {
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
fn parts(target: &Mat<f64>, pool: &Pool<'_>, posterior: &Posterior) -> (Vec<f64>, Vec<f64>) {
    let inverse = invert(posterior.factor());
    // The columns of Sigma T^T.
    let directions = &inverse * (inverse.transpose() * target.transpose());
    let directions = Panels::dense(directions.as_ref());
    let (mut variances, mut numerators) = (Vec::with_capacity(pool.len()), Vec::with_capacity(pool.len()));
    in_spans(pool.structures(), |span, _| {
        variances.extend(quadratic_forms(&span, posterior.inverse()));
        numerators.extend(quadratic_forms(&span, &directions));
    });
    (variances, numerators)
}

fn combine(variances: &[f64], numerators: &[f64], noise: f64) -> Vec<f64> {
    // Both are sums of squares, negative only by rounding.
    variances.iter().zip(numerators).map(|(v, g)| g.max(0.0) / (noise + v.max(0.0))).collect()
}

fn maximum(scores: &[f64]) -> f64 {
    scores.iter().copied().fold(0.0, f64::max)
}

/// Upper triangular `T` with `T^T T` the mean of `t t^T` over the rows.
fn mean_square_factor(rows: &dyn Rows) -> Mat<f64> {
    let dim = rows.dim();
    let mut factor = Mat::zeros(dim, dim);
    let scale = 1.0 / (rows.len() as f64).sqrt();
    let step = 4 * dim;
    let mut block = Vec::new();
    for first in (0..rows.len()).step_by(step) {
        let count = step.min(rows.len() - first);
        block.resize(count * dim, 0.0);
        for (k, out) in block.chunks_exact_mut(dim).enumerate() {
            rows.read(first + k, out);
            out.iter_mut().for_each(|x| *x *= scale);
        }
        rows.release(first..first + count);
        append_rows(&mut factor, &mut block);
    }
    factor
}
