//! How much observing `x` lowers the mean standard deviation over the target:
//! `mean_t [ sd(t) - sqrt(sd(t)^2 - (t^T Sigma x)^2 / (1/beta + x^T Sigma x)) ]`.
//!
//! It may rise between picks, so the covariance of every candidate with every target row is kept and followed.

use rayon::prelude::*;

use super::Informative;
use crate::conditioned::{Conditioned, dot};
use crate::error::{Error, Result};
use crate::linalg::{Panels, project, quadratic_forms};
use crate::posterior::Posterior;
use crate::rows::{Pool, Rows, View};

/// When the best score fell below this fraction of what it was, everything is computed afresh.
const CANCELLED: f64 = 1e-3;

pub(crate) struct PoolStd {
    /// Target rows, one after the other.
    target: Vec<f64>,
    /// `t^T Sigma x`: for each candidate, one number a target row.
    covariances: Vec<f64>,
    /// `t^T Sigma t` of each target row.
    target_variances: Vec<f64>,
    /// `x^T Sigma x` of each candidate.
    variances: Vec<f64>,
    scores: Vec<f64>,
    /// The best score when everything was last computed from the factor.
    reference: f64,
    /// Directions accounted for.
    applied: usize,
}

impl PoolStd {
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior, target: &dyn Rows, max_memory: usize) -> Result<Self> {
        let needed = pool.len().saturating_mul(target.len()).saturating_mul(size_of::<f64>());
        if needed > max_memory {
            return Err(Error::Memory {
                what: "the candidates-by-targets covariance of pool_std".into(),
                needed,
                allowed: max_memory,
                advice: "raise max_memory or make the target smaller",
            });
        }
        let mut rows = vec![0.0; target.len() * target.dim()];
        for (i, out) in rows.chunks_exact_mut(target.dim()).enumerate() {
            target.read(i, out);
        }
        let mut out = Self {
            target: rows,
            covariances: vec![0.0; pool.len() * target.len()],
            target_variances: Vec::new(),
            variances: Vec::new(),
            scores: vec![0.0; pool.len()],
            reference: 0.0,
            applied: 0,
        };
        out.evaluate(pool, posterior);
        Ok(out)
    }

    fn target_view(&self, dim: usize) -> View<'_, f64> {
        View::adjacent(&self.target, dim)
    }

    fn evaluate(&mut self, pool: &Pool<'_>, posterior: &Posterior) {
        let target = self.target_view(pool.dim());
        self.target_variances = quadratic_forms(&target, posterior.inverse());
        self.variances = quadratic_forms(pool.structures(), posterior.inverse());
        let directions = target_directions(&self.target, posterior);
        project(pool.structures(), &directions, &mut self.covariances);
        self.combine(1.0 / posterior.noise_precision());
        self.reference = self.scores.iter().copied().fold(0.0, f64::max);
    }

    fn combine(&mut self, noise: f64) {
        let deviations: Vec<f64> = self.target_variances.iter().map(|v| v.max(0.0).sqrt()).collect();
        self.scores
            .par_iter_mut()
            .zip(self.covariances.par_chunks_exact(deviations.len()))
            .zip(&self.variances)
            .for_each(|((score, covariances), variance)| {
                *score = mean_reduction(&deviations, covariances, noise + variance.max(0.0));
            });
    }

    /// Account for one direction.
    fn follow(&mut self, pool: &Pool<'_>, w: &[f64], noise: f64) {
        let along = |rows: &[f64]| -> Vec<f64> { rows.par_chunks_exact(w.len()).map(|row| dot(row, w)).collect() };
        let on_target = along(&self.target);
        for (v, t) in self.target_variances.iter_mut().zip(&on_target) {
            *v -= t * t;
        }
        let mut direction = Panels::new(w.len());
        direction.push(w);
        let mut on_pool = vec![0.0; pool.len()];
        project(pool.structures(), &direction, &mut on_pool);
        self.covariances.par_chunks_exact_mut(on_target.len()).zip(&mut self.variances).zip(&on_pool).for_each(
            |((covariances, variance), a)| {
                *variance -= a * a;
                covariances.iter_mut().zip(&on_target).for_each(|(c, t)| *c -= a * t);
            },
        );
        self.combine(noise);
    }
}

impl Informative for PoolStd {
    fn bounds(&self) -> &[f64] {
        &self.scores
    }

    fn may_rise(&self) -> bool {
        true
    }

    fn is_exact(&self, _candidate: usize, _posterior: &Conditioned) -> bool {
        true
    }

    fn tighten(&mut self, _pool: &Pool<'_>, _posterior: &Conditioned, _candidates: &[usize], _threshold: f64) {}

    // Equal candidates always went through the same operations.
    fn settle(&mut self, _pool: &Pool<'_>, _posterior: &Conditioned, _candidates: &[usize]) {}

    fn observed(&mut self, pool: &Pool<'_>, posterior: &Conditioned) {
        let step = posterior.only_direction_since(self.applied);
        if let Some(w) = &step {
            self.follow(pool, w, 1.0 / posterior.noise_precision());
        }
        let best = self.scores.iter().copied().fold(0.0, f64::max);
        if step.is_none() || best < CANCELLED * self.reference {
            self.evaluate(pool, &posterior.posterior());
        }
        self.applied = posterior.count();
    }

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        let target = self.target_view(pool.dim());
        let deviations: Vec<f64> = quadratic_forms(&target, posterior.inverse()).iter().map(|v| v.sqrt()).collect();
        let directions = target_directions(&self.target, posterior);
        let variances = quadratic_forms(pool.structures(), posterior.inverse());
        let mut covariances = vec![0.0; pool.len() * deviations.len()];
        project(pool.structures(), &directions, &mut covariances);
        let noise = 1.0 / posterior.noise_precision();
        covariances
            .chunks_exact(deviations.len())
            .zip(variances)
            .map(|(c, v)| mean_reduction(&deviations, c, noise + v))
            .collect()
    }
}

/// `sd - sqrt(sd^2 - drop)`, in a form that loses nothing where the drop is small.
fn mean_reduction(deviations: &[f64], covariances: &[f64], total: f64) -> f64 {
    let reductions = deviations.iter().zip(covariances).map(|(&sd, c)| {
        let drop = (c * c / total).min(sd * sd);
        if drop > 0.0 { drop / (sd + (sd * sd - drop).sqrt()) } else { 0.0 }
    });
    reductions.sum::<f64>() / deviations.len() as f64
}

/// `Sigma t` of every target row `t`.
fn target_directions(target: &[f64], posterior: &Posterior) -> Panels {
    let factor = posterior.inverse();
    let mut directions = Panels::new(factor.dim());
    for row in target.chunks_exact(factor.dim()) {
        directions.push(&factor.combine(&factor.project(row)));
    }
    directions
}
