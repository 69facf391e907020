//! The interface of every greedy method, in memory and on disk.

use crate::bayes::posterior::Posterior;
use crate::data::rows::Pool;
use crate::error::Result;

/// A greedy selection: the candidate with the best score is picked, the scores are updated, and the next is picked.
///
/// Picks do not depend on how many are made in one call. The pool is passed to every call and must be the same each
/// time, with the same core.
pub trait Selection: Send + Sync {
    /// Do a part of the work before the next pick, such as a pass over the next block of rows on disk. Returns whether
    /// work is left. Calls are optional: the next pick does the work that is left.
    ///
    /// # Errors
    /// As [`Selection::advance`].
    fn prepare(&mut self, _pool: &Pool<'_>) -> Result<bool> {
        Ok(false)
    }

    /// The candidate that [`Selection::advance`] would pick next and its score, or `None` if no candidate is left.
    ///
    /// # Errors
    /// As [`Selection::advance`].
    fn propose(&mut self, pool: &Pool<'_>) -> Result<Option<(usize, f64)>>;

    /// Pick the `count` best candidates, one after the other.
    ///
    /// # Errors
    /// [`TooMany`](crate::Error::TooMany) if fewer are left, [`Shape`](crate::Error::Shape) or
    /// [`Dimension`](crate::Error::Dimension) if pool or core have another size; nothing is picked then.
    fn advance(&mut self, pool: &Pool<'_>, count: usize) -> Result<()>;

    /// Pick a candidate, whether or not it is the best. The picks of another run can be repeated so without a search,
    /// with the same scores, bit for bit.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) if the candidate is picked or excluded already; otherwise as
    /// [`Selection::advance`].
    fn accept(&mut self, pool: &Pool<'_>, candidate: usize) -> Result<()>;

    /// Never pick these candidates.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) if one is not in the pool or must be the first pick; none is then excluded.
    fn exclude(&mut self, candidates: &[usize]) -> Result<()>;

    /// Candidates that are neither picked nor excluded.
    fn remaining(&self) -> usize;

    /// The picks so far, in order.
    fn indices(&self) -> &[usize];

    /// The score of each pick when it was picked.
    fn scores(&self) -> &[f64];

    /// Cumulative information after each pick, `(ln det Sigma_before - ln det Sigma) / 2` in nat, for methods with a
    /// posterior.
    fn information(&self) -> Option<&[f64]> {
        None
    }

    /// The posterior after all picks so far, for methods with one.
    fn posterior(&self) -> Option<Posterior> {
        None
    }

    /// Directions `w`, one after the other, such that the picks so far lowered the variance of any row `x` by
    /// `sum (w.x)^2`. `None` without a posterior, after so many picks that old directions are dropped, or after a pick
    /// that observed many rows together.
    fn directions(&self) -> Option<Vec<f64>> {
        None
    }

    /// The number of windows and rows read so far, for rows outside memory.
    fn reading(&self) -> Option<Reading> {
        None
    }

    /// The sum over the pool that the picks lower, for methods with one.
    fn loss(&self) -> Option<f64> {
        None
    }
}

/// The number of windows and rows that a selection read from outside memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Number of windows so far.
    pub windows: usize,
    /// Number of rows read after the survey of all rows, from the pool or from the file of rounded rows.
    pub rows_read: usize,
}
