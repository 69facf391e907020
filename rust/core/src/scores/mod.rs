//! The scores of Bayesian selection, one file each.

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
pub(crate) use pool_variance::{EveryRow, LookAhead};
pub(crate) use rounded_directions::{RoundedDirections, TILE};

use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{Observation, RunningPosterior};
use crate::data::rows::Pool;
use crate::data::spans;
use crate::error::{Error, Result};

/// The score of a candidate, given the posterior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BayesianScore {
    /// `x^T Sigma x`: the predictive variance.
    Energy,
    /// `ln det(I + beta R Sigma R^T)` for the rows `R` that the candidate adds: twice their information in nat.
    LogDet,
    /// The decrease of the mean variance over the target, if `x` is observed.
    PoolVariance {
        /// Rounded rows are kept in a temporary file if more bytes are needed.
        max_memory: usize,
    },
    /// The decrease of the mean standard deviation over the target, if `x` is observed.
    PoolStd {
        /// Limit of the bytes that [`BayesianScore::pool_bytes`] counts.
        max_memory: usize,
    },
}

impl BayesianScore {
    /// Largest number of bytes of a score with a target, for given numbers of candidates and target rows, with the
    /// blocks of rows in memory; 0 for the other scores.
    pub fn pool_bytes(self, candidates: usize, target: usize, dim: usize) -> usize {
        let own = match self {
            Self::Energy | Self::LogDet => return 0,
            Self::PoolVariance { max_memory } => LookAhead::bytes(candidates, dim, max_memory),
            Self::PoolStd { .. } => PoolStd::bytes(candidates, target, dim),
        };
        own.saturating_add(spans::bytes(candidates, dim))
    }

    /// Refuse a score that needs more memory than is allowed.
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

/// A score that depends on the posterior; see [`crate::greedy::Score`] for the meaning of the methods.
pub(crate) trait Informative: Send + Sync {
    fn bounds(&self) -> &[f64];

    fn may_rise(&self) -> bool {
        false
    }

    fn contenders(&mut self, _pool: &Pool<'_>, _posterior: &RunningPosterior, _taken: &[bool]) -> Option<Vec<usize>> {
        None
    }

    fn is_exact(&self, candidate: usize, posterior: &RunningPosterior) -> bool;

    fn tighten(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize], threshold: f64);

    fn settle(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior, candidates: &[usize]);

    /// The observation of a pick under the present posterior, if it is known already.
    fn foreseen(&self, _pick: usize) -> Option<Observation> {
        None
    }

    /// Update for the last observation of the posterior, which added one direction or more.
    fn observed(&mut self, pool: &Pool<'_>, posterior: &RunningPosterior);

    fn definition(&self, pool: &Pool<'_>, posterior: &Posterior) -> Vec<f64>;
}
