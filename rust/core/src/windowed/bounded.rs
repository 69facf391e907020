//! The rows of a pool, or of a part of it, with an upper bound of the score of each: what greedy selection need not have
//! in memory.
//!
//! Scores only fall as picks are added, so what a score was is an upper bound of what it is. Those of all rows are found
//! in one pass. Later the bounds of a block of rows are lowered only if the largest of them says that the block may hold
//! one of the best candidates.

use super::candidates::{Candidates, largest};
use super::distances::DistanceBounds;
use super::variances::{Guess, VarianceBoundsOfBlocks};
use super::windows::{Known, News, Window, Windows};
use crate::data::rows::Rows;
use crate::distance::Metric;
use crate::error::{Error, Result};

/// How bounds of one kind of score are found and lowered.
pub(super) trait Bounds: Send + Sync {
    /// Get ready for a pass over all rows, given what is known.
    fn begin(&mut self, candidates: &Candidates, known: &Known) -> Result<()>;

    /// Learn of picks.
    fn observe(&mut self, news: &News) -> Result<()>;

    /// The scores of a block, given what is known; what lowering them takes is kept.
    fn scores(&mut self, candidates: &Candidates, rows: &dyn Rows, block: usize) -> Result<Vec<f64>>;

    /// Guess a bound that about `size` rows are not below, before all blocks are looked at. Rows below it are not followed
    /// to the end. A wrong guess costs time and changes no pick.
    fn guess(&mut self, candidates: &mut Candidates, rows: &dyn Rows, size: usize, sharp: bool) -> Result<f64>;

    /// Lower those bounds of a block that are not below the limit, by the picks that they do not know of. With `sharp`
    /// none stays in doubt.
    fn lower(
        &mut self,
        candidates: &mut Candidates,
        rows: &dyn Rows,
        block: usize,
        limit: f64,
        sharp: bool,
    ) -> Result<()>;
}

/// Rows with bounds of their scores, which are read when they are needed: the source of windows for a pool on this machine,
/// or for the part of a pool that a worker holds.
pub struct BoundedRows {
    candidates: Candidates,
    kind: Box<dyn Bounds>,
    /// The next block of the survey.
    next: usize,
}

impl BoundedRows {
    /// Rows with bounds of their variances, read in blocks of `block` rows. Rows rounded to 16-bit integers are kept in a
    /// temporary file, two bytes a number.
    pub fn variances(rows: &dyn Rows, block: usize) -> Self {
        Self::with_guess(rows, block, Guess::default())
    }

    pub(super) fn with_guess(rows: &dyn Rows, block: usize, guess: Guess) -> Self {
        Self::new(rows, block, VarianceBoundsOfBlocks::new(guess))
    }

    /// Rows with bounds of their distances, read in blocks of `block` rows. Columns are multiplied by `factors`, where
    /// there are any.
    pub fn distances(rows: &dyn Rows, block: usize, metric: Metric, factors: Option<Vec<f64>>) -> Self {
        Self::new(rows, block, DistanceBounds::new(metric, factors))
    }

    fn new(rows: &dyn Rows, block: usize, kind: impl Bounds + 'static) -> Self {
        let candidates = Candidates::new(rows.len(), block);
        Self { next: candidates.blocks(), candidates, kind: Box::new(kind) }
    }

    /// The candidates with the largest bounds, lowered, and the largest bound of all others.
    fn contenders(&mut self, rows: &dyn Rows, size: usize, sharp: bool) -> Result<(Vec<usize>, f64)> {
        let limit = match self.candidates.open() <= size {
            true => f64::NEG_INFINITY,
            false => self.kind.guess(&mut self.candidates, rows, size, sharp)?,
        };
        let found = self.above(rows, limit, size, sharp)?;
        if limit > f64::NEG_INFINITY && found.0.len() < size / 2 {
            return self.above(rows, f64::NEG_INFINITY, size, sharp);
        }
        Ok(found)
    }

    /// The candidates with the largest bounds that are not below a limit, and the largest bound of all others.
    fn above(&mut self, rows: &dyn Rows, mut limit: f64, size: usize, sharp: bool) -> Result<(Vec<usize>, f64)> {
        let mut bounds = self.candidates.open_bounds();
        // The largest bounds of the blocks that were looked at: a bound must be as large to be among them.
        let mut best = Vec::new();
        for (top, block) in self.candidates.ranked() {
            if top < limit {
                break;
            }
            self.kind.lower(&mut self.candidates, rows, block, limit, sharp)?;
            for candidate in self.candidates.range(block).filter(|&i| self.candidates.is_open(i)) {
                bounds[candidate] = self.candidates.bounds[candidate];
                best.extend(Some(bounds[candidate]).filter(|&bound| bound >= limit));
            }
            if best.len() >= size {
                let below = best.len() - size;
                best.select_nth_unstable_by(below, f64::total_cmp);
                best.drain(..below);
                limit = best[0];
            }
        }
        let mut members = largest(&bounds, size);
        members.retain(|&candidate| bounds[candidate] >= limit && bounds[candidate].is_finite());
        members.iter().for_each(|&candidate| bounds[candidate] = f64::NEG_INFINITY);
        Ok((members, bounds.into_iter().fold(f64::NEG_INFINITY, f64::max)))
    }
}

impl Windows for BoundedRows {
    fn survey(&mut self, known: &Known) -> Result<()> {
        self.candidates.bounds.fill(f64::INFINITY);
        self.next = 0;
        self.kind.begin(&self.candidates, known)
    }

    fn go_on(&mut self, rows: &dyn Rows) -> Result<bool> {
        let (block, blocks) = (self.next, self.candidates.blocks());
        if block == blocks {
            return Ok(false);
        }
        if block + 1 < blocks {
            rows.expect(self.candidates.range(block + 1));
        }
        let range = self.candidates.range(block);
        let scores = self.kind.scores(&self.candidates, rows, block);
        rows.release(range.clone());
        self.candidates.lower(range.start, &scores?);
        self.next = block + 1;
        Ok(self.next < blocks)
    }

    fn observe(&mut self, news: &News) -> Result<()> {
        self.kind.observe(news)
    }

    fn exclude(&mut self, candidates: &[usize]) {
        self.candidates.take(candidates);
    }

    fn window(&mut self, rows: &dyn Rows, size: usize, sharp: bool) -> Result<Window> {
        if size == 0 {
            return Err(Error::Parameter { name: "the size of a window", expected: "at least 1", given: "0".into() });
        }
        while self.go_on(rows)? {}
        let (members, outside) = self.contenders(rows, size, sharp)?;
        self.candidates.rows_read += members.len();
        let bounds = members.iter().map(|&candidate| self.candidates.bounds[candidate]).collect();
        Ok(Window { rows: self.candidates.read(rows, &members), members, bounds, outside })
    }

    fn rows_read(&self) -> usize {
        self.candidates.rows_read
    }
}
