//! The candidates of a selection that are neither picked nor excluded.

use crate::error::{Error, Result};

/// Which candidates of a pool can still be picked, and how many.
pub(crate) struct Open {
    taken: Vec<bool>,
    remaining: usize,
}

impl Open {
    /// All of `candidates` are open.
    pub(crate) fn new(candidates: usize) -> Self {
        Self { taken: vec![false; candidates], remaining: candidates }
    }

    /// Number of candidates in the pool.
    pub(crate) fn candidates(&self) -> usize {
        self.taken.len()
    }

    /// For each candidate, whether it is picked or excluded.
    pub(crate) fn taken(&self) -> &[bool] {
        &self.taken
    }

    pub(crate) fn remaining(&self) -> usize {
        self.remaining
    }

    /// Never pick these candidates. Some of them may be picked or excluded already.
    ///
    /// # Errors
    /// [`Error::Shape`] if one is not in the pool; none is then excluded.
    pub(crate) fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        if let Some(out) = candidates.iter().find(|&&candidate| candidate >= self.taken.len()) {
            return Err(Error::Shape(format!(
                "candidate {out} cannot be excluded: the pool has {} candidates",
                self.taken.len()
            )));
        }
        candidates.iter().for_each(|&candidate| self.take(candidate));
        Ok(())
    }

    /// Mark a candidate of the pool as picked or excluded.
    pub(crate) fn take(&mut self, candidate: usize) {
        self.remaining -= usize::from(!std::mem::replace(&mut self.taken[candidate], true));
    }

    /// Refuse a candidate that is picked, excluded or not in the pool.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub(crate) fn check(&self, candidate: usize) -> Result<()> {
        match self.taken.get(candidate) {
            Some(false) => Ok(()),
            Some(true) => Err(Error::Shape(format!("candidate {candidate} is picked or excluded already"))),
            None => Err(Error::Shape(format!(
                "candidate {candidate} cannot be picked: the pool has {} candidates",
                self.taken.len()
            ))),
        }
    }

    /// Refuse more picks than there are open candidates.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) fn check_count(&self, count: usize) -> Result<()> {
        match count > self.remaining {
            true => Err(Error::TooMany { asked: count, available: self.remaining }),
            false => Ok(()),
        }
    }
}
