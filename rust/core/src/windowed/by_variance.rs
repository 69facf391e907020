//! Bayesian selection with windows.

use super::criterion::{Candidate, Criterion};
use super::windows::{Known, News};
use crate::bayes::posterior::Posterior;
use crate::bayes::running_posterior::{RunningPosterior, dot};
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::Pool;
use crate::error::{Error, Result};
use crate::greedy::{Engine, Selection};
use crate::methods::bayesian::Bayesian;
use crate::scores::BayesianScore;

pub(super) struct ByVariance {
    posterior: RunningPosterior,
    score: BayesianScore,
}

impl ByVariance {
    /// # Errors
    /// [`Error::Parameter`] unless the score is `Energy` or `LogDet`, which never rise.
    pub(super) fn new(posterior: Posterior, score: BayesianScore) -> Result<Self> {
        match score {
            BayesianScore::Energy | BayesianScore::LogDet => {
                Ok(Self { posterior: RunningPosterior::new(posterior), score })
            }
            other => Err(Error::Parameter {
                name: "the score of a selection with windows",
                expected: "the variance or the information, which never rise",
                given: format!("{other:?}"),
            }),
        }
    }
}

impl Criterion for ByVariance {
    fn begin(&self, window: &Pool<'_>, _bounds: &[f64]) -> Result<Box<dyn Selection>> {
        Ok(Box::new(Bayesian::new(self.posterior.posterior(), &self.score, window, Engine::Lazy)?))
    }

    fn bound(&self, score: f64) -> f64 {
        match self.score {
            BayesianScore::LogDet => score.exp_m1() / self.posterior.noise_precision(),
            _ => score,
        }
    }

    fn score(&self, _pool: &Pool<'_>, _picked: &OwnedRows, candidate: &Candidate) -> Result<f64> {
        let q = self.posterior.whiten(&candidate.row);
        let variance = dot(&q, &q);
        match (variance.is_finite(), self.score) {
            (false, _) => Err(Error::of_features("the pool", candidate.index, &candidate.row)),
            (true, BayesianScore::LogDet) => Ok((self.posterior.noise_precision() * variance).ln_1p()),
            (true, _) => Ok(variance),
        }
    }

    fn observe(&mut self, row: &[f64]) {
        self.posterior.observe(row);
    }

    fn known(&self, _pool: &Pool<'_>, _picked: &OwnedRows) -> Known {
        Known::Posterior(self.posterior.posterior())
    }

    fn news(&self, window: &dyn Selection, _picked: &OwnedRows) -> News {
        News::Picks { directions: window.directions(), posterior: self.posterior.posterior() }
    }

    fn information(&self) -> Option<f64> {
        Some(self.posterior.information())
    }

    fn posterior(&self) -> Option<Posterior> {
        Some(self.posterior.posterior())
    }
}
