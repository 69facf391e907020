//! What a selection with windows maximises, and what it knows of its picks beside their rows.

use crate::bayes::posterior::Posterior;
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::Pool;
use crate::error::Result;
use crate::greedy::Selection;

use super::windows::{Known, News};

/// A candidate that may be picked.
pub(super) struct Candidate {
    pub(super) index: usize,
    pub(super) row: Vec<f64>,
    /// The score that the selection in a window reports, if the candidate is the best there.
    pub(super) proposed: Option<f64>,
}

pub(super) trait Criterion: Send + Sync {
    /// The first pick, if it is none with the largest score: among the candidates that are open.
    fn first(&mut self, _pool: &Pool<'_>, _is_open: &dyn Fn(usize) -> bool) -> Result<Option<usize>> {
        Ok(None)
    }

    /// The candidate that must be the first pick.
    fn given_start(&self) -> Option<usize> {
        None
    }

    /// Begin a selection among the rows of a window, given all picks and what their scores are not above.
    fn begin(&self, window: &Pool<'_>, bounds: &[f64]) -> Result<Box<dyn Selection>>;

    /// What rows have bounds of, from a score that a selection reports.
    fn bound(&self, score: f64) -> f64;

    /// The score of a candidate as one run in memory reports it, which does not depend on where windows end.
    ///
    /// # Errors
    /// [`NotFinite`](crate::Error::NotFinite) or [`Row`](crate::Error::Row) if its row has no score.
    fn score(&self, pool: &Pool<'_>, picked: &OwnedRows, candidate: &Candidate) -> Result<f64>;

    /// Account for a pick.
    fn observe(&mut self, row: &[f64]);

    /// What rows elsewhere have to know before their survey, given the rows of all picks.
    fn known(&self, pool: &Pool<'_>, picked: &OwnedRows) -> Known;

    /// What rows elsewhere have to know of the picks in a window, the last ones of `picked`.
    fn news(&self, window: &dyn Selection, picked: &OwnedRows) -> News;

    /// The last element of [`Selection::information`].
    fn information(&self) -> Option<f64> {
        None
    }

    /// See [`Selection::posterior`].
    fn posterior(&self) -> Option<Posterior> {
        None
    }
}
