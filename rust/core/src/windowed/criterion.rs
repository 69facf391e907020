//! The criterion of a selection with windows: its score, and the state that depends on the picks.

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
    /// The first pick among the open candidates, if it is not the one with the largest score.
    fn first(&mut self, _pool: &Pool<'_>, _is_open: &dyn Fn(usize) -> bool) -> Result<Option<usize>> {
        Ok(None)
    }

    /// The candidate that must be the first pick, if any.
    fn given_start(&self) -> Option<usize> {
        None
    }

    /// Begin a selection among the rows of a window, after all picks so far, with upper bounds of their scores.
    fn begin(&self, window: &Pool<'_>, bounds: &[f64]) -> Result<Box<dyn Selection>>;

    /// Convert a reported score to the unit of the bounds.
    fn bound(&self, score: f64) -> f64;

    /// The score of a candidate as a selection in memory reports it. It does not depend on the windows.
    ///
    /// # Errors
    /// [`NotFinite`](crate::Error::NotFinite) or [`Row`](crate::Error::Row) if its row has no score.
    fn score(&self, pool: &Pool<'_>, picked: &OwnedRows, candidate: &Candidate) -> Result<f64>;

    /// Update for a pick.
    fn observe(&mut self, row: &[f64]);

    /// The state that the source of windows needs for a survey, given the rows of all picks.
    fn known(&self, pool: &Pool<'_>, picked: &OwnedRows) -> Known;

    /// The message to the source of windows about the picks in a window, which are the last rows of `picked`.
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
