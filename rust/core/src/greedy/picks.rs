//! The picks of a greedy selection under way: which candidates are open, and what was picked so far.

use super::{Engine, Lazy, Open, Pick, Score, naive};
use crate::data::rows::Pool;
use crate::error::{Error, Result};

pub(super) struct Picks {
    engine: Engine,
    lazy: Lazy,
    open: Open,
    indices: Vec<usize>,
    /// What was found to be the best, while nothing was picked since.
    proposed: Option<Pick>,
}

impl Picks {
    pub(super) fn new(engine: Engine, candidates: usize) -> Self {
        Self { engine, lazy: Lazy::default(), open: Open::new(candidates), indices: Vec::new(), proposed: None }
    }

    /// Never pick these candidates.
    ///
    /// # Errors
    /// [`Error::Shape`] if one is not in the pool; none is then excluded.
    pub(super) fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        self.open.exclude(candidates)
    }

    /// Refuse another pool than the one that the selection began with, and more picks than there are candidates.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Dimension`] or [`Error::TooMany`].
    pub(super) fn check(&self, pool: &Pool<'_>, dim: usize, count: usize) -> Result<()> {
        pool.check(dim)?;
        if pool.len() != self.open.candidates() {
            return Err(Error::Shape(format!(
                "the selection began with {} candidates, given {}",
                self.open.candidates(),
                pool.len()
            )));
        }
        self.open.check_count(count)
    }

    /// The open candidate with the largest score.
    pub(super) fn propose(&mut self, score: &mut dyn Score, pool: &Pool<'_>) -> Option<Pick> {
        if self.proposed.is_none_or(|pick| self.open.taken()[pick.index]) {
            self.proposed = match self.engine {
                Engine::Lazy => self.lazy.next(score, pool, self.open.taken()),
                Engine::Naive => naive(score, pool, self.open.taken()),
            };
        }
        self.proposed
    }

    /// A candidate with the score that it would have as the best, whatever the scores of others are.
    ///
    /// # Errors
    /// [`Error::Shape`] if the candidate is not open.
    pub(super) fn evaluate(&self, score: &mut dyn Score, pool: &Pool<'_>, candidate: usize) -> Result<Pick> {
        self.open.check(candidate)?;
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

    /// Guess nothing from the scores of earlier picks.
    pub(super) fn forget_scores(&mut self) {
        self.lazy = Lazy::default();
    }

    /// Pick a candidate that is open.
    pub(super) fn take(&mut self, candidate: usize) {
        self.open.take(candidate);
        self.indices.push(candidate);
        self.proposed = None;
    }

    /// Candidates that are neither picked nor excluded.
    pub(super) fn remaining(&self) -> usize {
        self.open.remaining()
    }

    /// The picks so far, in order.
    pub(super) fn indices(&self) -> &[usize] {
        &self.indices
    }
}
