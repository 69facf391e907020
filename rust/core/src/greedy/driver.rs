//! The one loop of greedy selection: find the best candidate, report its score, account for it.

use super::{Engine, Pick, Picks, Score, Selection};
use crate::bayes::posterior::Posterior;
use crate::data::rows::Pool;
use crate::error::Result;

/// The objective of a greedy method: its score, and the other results that it reports.
pub trait Objective: Score + Send + Sync {
    /// Number of features of a row.
    fn dim(&self) -> usize;

    /// Refuse a core that differs in size from the one at the beginning.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape).
    fn check_core(&self, _pool: &Pool<'_>) -> Result<()> {
        Ok(())
    }

    /// Refuse to exclude candidates that must be picked.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape).
    fn check_excluded(&self, _candidates: &[usize]) -> Result<()> {
        Ok(())
    }

    /// Whether there is neither a core nor a pick to measure from. The score then only determines the first pick: it is
    /// reported as infinite, and does not bound later scores.
    fn is_bare(&self) -> bool {
        false
    }

    /// Convert the maximised score to the reported score.
    fn reported(&self, score: f64) -> f64 {
        score
    }

    /// The last element of [`Selection::information`].
    fn information(&self) -> Option<f64> {
        None
    }

    /// See [`Selection::posterior`].
    fn posterior(&self) -> Option<Posterior> {
        None
    }

    /// See [`Selection::directions`].
    fn directions(&self) -> Option<Vec<f64>> {
        None
    }

    /// See [`Selection::loss`].
    fn loss(&self) -> Option<f64> {
        None
    }
}

/// A greedy selection that maximises the objective `O`; its methods are those of [`Selection`].
///
/// Of the pool it keeps scores and, depending on the objective, a copy rounded to two bytes a number.
pub struct Greedy<O> {
    objective: O,
    picks: Picks,
    scores: Vec<f64>,
    information: Vec<f64>,
}

impl<O: Objective> Greedy<O> {
    /// Begin with the given number of candidates and no pick.
    pub(crate) fn begin(objective: O, engine: Engine, candidates: usize) -> Self {
        Self { objective, picks: Picks::new(engine, candidates), scores: Vec::new(), information: Vec::new() }
    }

    fn check(&self, pool: &Pool<'_>, count: usize) -> Result<()> {
        self.picks.check(pool, self.objective.dim(), count)?;
        self.objective.check_core(pool)
    }

    fn reported(&self, score: f64) -> f64 {
        if self.objective.is_bare() { f64::INFINITY } else { self.objective.reported(score) }
    }

    fn observe(&mut self, pool: &Pool<'_>, pick: Pick) {
        self.scores.push(self.reported(pick.score));
        if self.objective.is_bare() {
            self.picks.forget_scores();
        }
        self.picks.take(pick.index);
        self.objective.observe(pool, pick.index);
        self.information.extend(self.objective.information());
    }
}

impl<O: Objective> Selection for Greedy<O> {
    fn propose(&mut self, pool: &Pool<'_>) -> Result<Option<(usize, f64)>> {
        self.check(pool, 0)?;
        let pick = self.picks.propose(&mut self.objective, pool);
        Ok(pick.map(|pick| (pick.index, self.reported(pick.score))))
    }

    fn advance(&mut self, pool: &Pool<'_>, count: usize) -> Result<()> {
        self.check(pool, count)?;
        for _ in 0..count {
            let Some(pick) = self.picks.propose(&mut self.objective, pool) else { break };
            self.observe(pool, pick);
        }
        Ok(())
    }

    fn accept(&mut self, pool: &Pool<'_>, candidate: usize) -> Result<()> {
        self.check(pool, 0)?;
        let pick = self.picks.evaluate(&mut self.objective, pool, candidate)?;
        self.observe(pool, pick);
        Ok(())
    }

    fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        self.objective.check_excluded(candidates)?;
        self.picks.exclude(candidates)
    }

    fn remaining(&self) -> usize {
        self.picks.remaining()
    }

    fn indices(&self) -> &[usize] {
        self.picks.indices()
    }

    fn scores(&self) -> &[f64] {
        &self.scores
    }

    fn information(&self) -> Option<&[f64]> {
        self.objective.information().map(|_| &*self.information)
    }

    fn posterior(&self) -> Option<Posterior> {
        self.objective.posterior()
    }

    fn directions(&self) -> Option<Vec<f64>> {
        self.objective.directions()
    }

    fn loss(&self) -> Option<f64> {
        self.objective.loss()
    }
}
