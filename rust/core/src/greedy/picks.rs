//! The state of a greedy selection: open candidates, picks so far, and the engine that finds the next pick.

use super::{Engine, Lazy, Open, Pick, Score, naive};
use crate::data::rows::Pool;
use crate::error::{Error, Result};

pub(super) struct Picks {
    engine: Engine,
    lazy: Lazy,
    open: Open,
    indices: Vec<usize>,
    /// The best candidate, if it was searched for since the last pick.
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

    /// Refuse a pool that differs in size from the one at the beginning, and more picks than open candidates.
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

    /// A candidate with the score that it would be picked with, whether or not it is the best.
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

    /// Forget the scores of earlier picks, from which later ones cannot be guessed.
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
