//! `ln det(I + beta R Sigma R^T)`: twice the information of the rows `R` of a candidate.
//!
//! It never rises, since `Sigma` never does. With one row it is a monotone function of the variance and ranks
//! candidates alike; this file is for several rows.

use faer::{Mat, Side};
use rayon::prelude::*;

use super::Informative;
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::RunningPosterior;
use crate::data::rows::{Pool, View};
use crate::linalg::{Panels, project};

pub(crate) struct LogDet {
    bounds: Vec<f64>,
    /// Number of directions accounted for in each bound.
    applied: Vec<usize>,
}

impl LogDet {
    pub(crate) fn new(pool: &Pool<'_>, posterior: &Posterior) -> Self {
        Self { bounds: all(pool, posterior), applied: vec![0; pool.len()] }
    }
}

impl Informative for LogDet {
    fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    fn is_exact(&self, candidate: usize, posterior: &RunningPosterior) -> bool {
        self.applied[candidate] == posterior.count()
    }

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize], _threshold: f64) {
        let (factor, _) = posterior.base();
        let beta = posterior.noise_precision();
        let bounds: Vec<f64> = candidates
            .par_iter()
            .map_init(Vec::new, |rows, &i| {
                pool.observed(i, rows);
                information(rows, factor, |q| posterior.apply_maps(q), beta)
            })
            .collect();
        for (&candidate, bound) in candidates.iter().zip(bounds) {
            self.bounds[candidate] = bound;
            self.applied[candidate] = posterior.count();
        }
    }

    // Scores do not depend on earlier updates, so equal candidates have equal bits.
    fn settle(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior, _candidates: &[usize]) {}

    fn observed(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior) {}

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
        all(pool, posterior)
    }
}

fn all(pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64> {
    let (factor, beta) = (posterior.inverse(), posterior.noise_precision());
    (0..pool.len())
        .into_par_iter()
        .map_init(Vec::new, |rows, i| {
            pool.observed(i, rows);
            information(rows, factor, |_| (), beta)
        })
        .collect()
}

/// `ln det(I + beta Q Q^T)` for the whitened rows `Q`, from the smaller of `Q Q^T` and `Q^T Q`.
fn information(rows: &[f64], factor: &Panels, update: impl Fn(&mut [f64]), beta: f64) -> f64 {
    let dim = factor.dim();
    let mut q = vec![0.0; rows.len()];
    project(&View::adjacent(rows, dim), factor, &mut q);
    q.chunks_exact_mut(dim).for_each(update);
    let q = faer::MatRef::from_row_major_slice(&q, rows.len() / dim, dim);
    let small = if q.nrows() <= dim { q * q.transpose() } else { q.transpose() * q };
    let matrix =
        Mat::from_fn(small.nrows(), small.ncols(), |i, j| beta * small[(i, j)] + if i == j { 1.0 } else { 0.0 });
    match matrix.llt(Side::Lower) {
        Ok(cholesky) => {
            let lower = cholesky.L();
            2.0 * (0..matrix.nrows()).map(|i| lower[(i, i)].ln()).sum::<f64>()
        }
        // All eigenvalues are at least 1, so only a matrix that is not finite has no factor.
        Err(_) => f64::NAN,
    }
}
