//! What a candidate is worth: one file a score.

mod catchup;
mod energy;
mod estimate;
mod logdet;
mod pool_std;
mod pool_variance;
mod rounded_directions;

pub(crate) use energy::Energy;
pub(crate) use estimate::in_groups;
pub(crate) use logdet::LogDet;
pub(crate) use pool_std::PoolStd;
pub(crate) use pool_variance::PoolVariance;
pub(crate) use rounded_directions::{RoundedDirections, TILE};

use crate::conditioned::Conditioned;
use crate::posterior::Posterior;
use crate::rows::Pool;

/// What a candidate is worth, given the posterior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BayesianScore {
    /// `x^T Sigma x`: the predictive variance.
    Energy,
    /// `ln det(I + beta R Sigma R^T)` of the rows `R` that the candidate adds.
    LogDet,
    /// How much observing `x` lowers the mean variance over the target.
    PoolVariance,
    /// How much observing `x` lowers the mean standard deviation over the target.
    PoolStd {
        /// Bytes that the candidates-by-targets covariance may take.
        max_memory: usize,
    },
}

/// A score that follows from the posterior; see [`crate::greedy::Score`] for the meaning of the methods.
pub(crate) trait Informative: Send + Sync {
    fn bounds(&self) -> &[f64];

    fn may_rise(&self) -> bool {
        false
    }

    fn is_exact(&self, candidate: usize, posterior: &Conditioned) -> bool;

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &Conditioned, candidates: &[usize], threshold: f64);

    fn settle(&mut self, pool: &Pool<'_>, posterior: &Conditioned, candidates: &[usize]);

    /// Follow the posterior, which just observed rows of the pool: one direction, or more than that.
    fn observed(&mut self, pool: &Pool<'_>, posterior: &Conditioned);

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64>;
}
