//! The picks of a greedy selection under way: which candidates are open, and what was picked so far.

use super::{Engine, Lazy, Pick, Score, naive};
use crate::data::rows::Pool;
use crate::error::{Error, Result};

pub(super) struct Picks {
    engine: Engine,
    lazy: Lazy,
    taken: Vec<bool>,
    open: usize,
    indices: Vec<usize>,
    /// What was found to be the best, while nothing was picked since.
    proposed: Option<Pick>,
}

impl Picks {
    pub(super) fn new(engine: Engine, candidates: usize) -> Self {
        Self {
            engine,
            lazy: Lazy::default(),
            taken: vec![false; candidates],
            open: candidates,
            indices: Vec::new(),
            proposed: None,
        }
    }

    /// Never pick these candidates.
    ///
    /// # Errors
    /// [`Error::Shape`] if one is not in the pool; none is then excluded.
    pub(super) fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        if let Some(out) = candidates.iter().find(|&&c| c >= self.taken.len()) {
            return Err(Error::Shape(format!(
                "candidate {out} cannot be excluded: the pool has {} candidates",
                self.taken.len()
            )));
        }
        for &candidate in candidates {
            self.open -= usize::from(!std::mem::replace(&mut self.taken[candidate], true));
        }
        Ok(())
    }

    /// Refuse another pool than the one that the selection began with, and more picks than there are candidates.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Dimension`] or [`Error::TooMany`].
    pub(super) fn check(&self, pool: &Pool<'_>, dim: usize, count: usize) -> Result<()> {
        pool.check(dim)?;
        if pool.len() != self.taken.len() {
            return Err(Error::Shape(format!(
                "the selection began with {} candidates, given {}",
                self.taken.len(),
                pool.len()
            )));
        }
        match count > self.open {
            true => Err(Error::TooMany { asked: count, available: self.open }),
            false => Ok(()),
        }
    }

    /// The open candidate with the largest score.
    pub(super) fn propose(&mut self, score: &mut dyn Score, pool: &Pool<'_>) -> Option<Pick> {
        if self.proposed.is_none_or(|pick| self.taken[pick.index]) {
            self.proposed = match self.engine {
                Engine::Lazy => self.lazy.next(score, pool, &self.taken),
                Engine::Naive => naive(score, pool, &self.taken),
            };
        }
        self.proposed
    }

    /// A candidate with the score that it would have as the best, whatever the scores of others are.
    ///
    /// # Errors
    /// [`Error::Shape`] if the candidate is not open.
    pub(super) fn evaluate(&self, score: &mut dyn Score, pool: &Pool<'_>, candidate: usize) -> Result<Pick> {
        self.check_open(candidate)?;
        Ok(Pick { index: candidate, score: self.score_of(score, pool, candidate) })
    }

    fn score_of(&self, score: &mut dyn Score, pool: &Pool<'_>, candidate: usize) -> f64 {
        match self.engine {
            Engine::Naive => score.definition(pool)[candidate],
            Engine::Lazy => {
                if !score.is_exact(candidate) {
                    score.tighten(pool, &[candidate], f64::NEG_INFINITY);
                }
                score.settle(pool, &[candidate]);
                score.bounds()[candidate]
            }
        }
    }

    /// Refuse a candidate that was picked or excluded, or is not there.
    ///
    /// # Errors
    /// [`Error::Shape`].
    fn check_open(&self, candidate: usize) -> Result<()> {
        match self.taken.get(candidate) {
            Some(false) => Ok(()),
            Some(true) => Err(Error::Shape(format!("candidate {candidate} is picked or excluded already"))),
            None => Err(Error::Shape(format!(
                "candidate {candidate} cannot be picked: the pool has {} candidates",
                self.taken.len()
            ))),
        }
    }

    /// Guess nothing from the scores of earlier picks.
    pub(super) fn forget_scores(&mut self) {
        self.lazy = Lazy::default();
    }

    /// Pick a candidate that is open.
    pub(super) fn take(&mut self, candidate: usize) {
        self.taken[candidate] = true;
        self.open -= 1;
        self.indices.push(candidate);
        self.proposed = None;
    }

    /// Candidates that are neither picked nor excluded.
    pub(super) fn remaining(&self) -> usize {
        self.open
    }

    /// The picks so far, in order.
    pub(super) fn indices(&self) -> &[usize] {
        &self.indices
    }
}
