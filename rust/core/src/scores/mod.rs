//! What a candidate is worth: one file a score.

mod catchup;
mod deviations;
mod energy;
mod estimate;
mod leading;
mod logdet;
mod pool_std;
mod pool_variance;
mod products;
mod rounded_directions;
pub(crate) mod variance_bounds;

pub(crate) use energy::Energy;
pub(crate) use estimate::in_groups;
pub(crate) use logdet::LogDet;
pub(crate) use pool_std::PoolStd;
pub(crate) use pool_variance::PoolVariance;
pub(crate) use rounded_directions::{RoundedDirections, TILE};

use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::RunningPosterior;
use crate::data::rows::Pool;
use crate::data::spans;
use crate::error::{Error, Result};

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
        /// Bytes that may be taken, as [`BayesianScore::pool_bytes`] counts them.
        max_memory: usize,
    },
}

impl BayesianScore {
    /// Bytes that a score that looks at a target takes for so many candidates and target rows, at most, with the part of
    /// the rows that is worked on at a time; none for the other scores.
    pub fn pool_bytes(self, candidates: usize, target: usize, dim: usize) -> usize {
        let own = match self {
            Self::Energy | Self::LogDet => return 0,
            Self::PoolVariance => PoolVariance::bytes(candidates, dim),
            Self::PoolStd { .. } => PoolStd::bytes(candidates, target, dim),
        };
        own.saturating_add(spans::bytes(candidates, dim))
    }

    /// Refuse to take more memory than is allowed.
    pub(crate) fn check_memory(self, candidates: usize, target: usize, dim: usize) -> Result<()> {
        let needed = self.pool_bytes(candidates, target, dim);
        match self {
            Self::PoolStd { max_memory } if needed > max_memory => Err(Error::Memory {
                what: "pool_std".into(),
                needed,
                allowed: max_memory,
                advice: "raise max_memory or make the target smaller",
            }),
            _ => Ok(()),
        }
    }
}

/// A score that follows from the posterior; see [`crate::greedy::Score`] for the meaning of the methods.
pub(crate) trait Informative: Send + Sync {
    fn bounds(&self) -> &[f64];

    fn may_rise(&self) -> bool {
        false
    }

    fn is_exact(&self, candidate: usize, posterior: &RunningPosterior) -> bool;

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize], threshold: f64);

    fn settle(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize]);

    /// Follow the posterior, which just observed rows of the pool: one direction, or more than that.
    fn observed(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior);

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64>;
}
