//! The picks of a greedy selection under way: which candidates are open, and what was picked so far.

use super::{Engine, Lazy, Pick, Score, naive};
use crate::error::{Error, Result};
use crate::rows::Pool;

pub(crate) struct Picks {
    engine: Engine,
    lazy: Lazy,
    taken: Vec<bool>,
    open: usize,
    indices: Vec<usize>,
    /// What was found to be the best, while nothing was picked since.
    proposed: Option<Pick>,
}

impl Picks {
    pub(crate) fn new(engine: Engine, candidates: usize) -> Self {
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
    pub(crate) fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
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
    pub(crate) fn check(&self, pool: &Pool<'_>, dim: usize, count: usize) -> Result<()> {
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
    pub(crate) fn propose(&mut self, score: &mut dyn Score, pool: &Pool<'_>) -> Option<Pick> {
        if self.proposed.is_none_or(|pick| self.taken[pick.index]) {
            self.proposed = match self.engine {
                Engine::Lazy => self.lazy.next(score, pool, &self.taken),
                Engine::Naive => naive(score, pool, &self.taken),
            };
        }
        self.proposed
    }

    /// The open candidate with the largest score, which is not open any more then; the score observed it already.
    pub(crate) fn next(&mut self, score: &mut dyn Score, pool: &Pool<'_>) -> Option<Pick> {
        let pick = self.propose(score, pool)?;
        self.take(pick.index);
        score.observe(pool, pick.index);
        Some(pick)
    }

    /// Pick a candidate whatever the scores of others are; its own is the one that it would have as the best.
    ///
    /// # Errors
    /// [`Error::Shape`] if the candidate is not open.
    pub(crate) fn pick(&mut self, score: &mut dyn Score, pool: &Pool<'_>, candidate: usize) -> Result<Pick> {
        self.check_open(candidate)?;
        let pick = Pick { index: candidate, score: self.score_of(score, pool, candidate) };
        self.take(candidate);
        score.observe(pool, candidate);
        Ok(pick)
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
    pub(crate) fn check_open(&self, candidate: usize) -> Result<()> {
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
    pub(crate) fn forget_scores(&mut self) {
        self.lazy = Lazy::default();
    }

    /// Pick a candidate that is open.
    pub(crate) fn take(&mut self, candidate: usize) {
        self.taken[candidate] = true;
        self.open -= 1;
        self.indices.push(candidate);
        self.proposed = None;
    }

    /// Candidates that are neither picked nor excluded.
    pub(crate) fn remaining(&self) -> usize {
        self.open
    }

    pub(crate) fn is_open(&self, candidate: usize) -> bool {
        !self.taken[candidate]
    }

    /// The picks so far, in order.
    pub(crate) fn indices(&self) -> &[usize] {
        &self.indices
    }
}
