//! What every greedy method can do, whatever it maximises and wherever its rows are.

use crate::bayes::posterior::Posterior;
use crate::data::rows::Pool;
use crate::error::Result;

/// A greedy selection under way: the best candidate is picked, accounted for, and the next one is looked for.
///
/// It can be advanced by any number of picks, with the same result as in one go. The pool is passed to every call and
/// must be the same each time, with the same core.
pub trait Selection: Send + Sync {
    /// Do some of what has to be done before the next pick, such as to go through the next rows on disk, and say whether there
    /// is more of it. Whoever does not call this waits longer for that pick.
    ///
    /// # Errors
    /// As [`Selection::advance`].
    fn prepare(&mut self, _pool: &Pool<'_>) -> Result<bool> {
        Ok(false)
    }

    /// The candidate that [`Selection::advance`] would pick next and its score, or nothing if none is left.
    ///
    /// # Errors
    /// As [`Selection::advance`].
    fn propose(&mut self, pool: &Pool<'_>) -> Result<Option<(usize, f64)>>;

    /// Pick the `count` best candidates, one after the other.
    ///
    /// # Errors
    /// [`TooMany`](crate::Error::TooMany) if fewer are left, [`Shape`](crate::Error::Shape) or
    /// [`Dimension`](crate::Error::Dimension) if pool or core is another one; nothing is picked then.
    fn advance(&mut self, pool: &Pool<'_>, count: usize) -> Result<()>;

    /// Pick a candidate, the best or not: what another run picked is picked again without a search, and leads to the
    /// same scores, bit for bit.
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

    /// Information of the picks up to each one, `(ln det Sigma_before - ln det Sigma) / 2` in nat, where there is a
    /// posterior.
    fn information(&self) -> Option<&[f64]> {
        None
    }

    /// The posterior that knows every pick so far, where there is one.
    fn posterior(&self) -> Option<Posterior> {
        None
    }

    /// Directions `w`, one after the other, such that the picks so far took `sum (w.x)^2` off the variance of any row
    /// `x`. Nothing if there is no posterior, so many directions that not all are kept, or a pick that observed many
    /// rows together.
    fn directions(&self) -> Option<Vec<f64>> {
        None
    }

    /// What was read of rows that are not in memory, where that is so.
    fn reading(&self) -> Option<Reading> {
        None
    }

    /// What the picks lower, where that is a sum over the pool.
    fn loss(&self) -> Option<f64> {
        None
    }
}

/// What a selection from rows that are not in memory read of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Windows so far.
    pub windows: usize,
    /// Rows that were read after the survey of all, or came back from the file of rounded rows.
    pub rows_read: usize,
}
