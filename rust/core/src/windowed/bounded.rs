//! Upper bounds of the scores of the rows of a pool, or of a part of it, which stay outside memory.
//!
//! Scores never rise as picks are added, so earlier scores are upper bounds. One pass, the survey, computes the scores
//! of all rows. Later the bounds of a block of rows are lowered only if the largest of them shows that the block may
//! hold one of the best candidates.

use super::candidates::{Candidates, Limit, largest};
use super::distances::DistanceBounds;
use super::sizes::first_window_of_distances;
use super::variances::{Guess, VarianceBoundsOfBlocks};
use super::windows::{Known, News, Window, Windows};
use crate::data::rows::Rows;
use crate::distance::Metric;
use crate::error::{Error, Result};

/// Bounds of one kind of score: how they are found and lowered.
pub(super) trait Bounds: Send + Sync {
    /// Prepare a survey, given the posterior or the centres.
    fn begin(&mut self, candidates: &Candidates, known: &Known) -> Result<()>;

    /// Record picks, which lower bounds later.
    fn observe(&mut self, news: &News) -> Result<()>;

    /// Compute the scores of a block, or upper bounds of scores that are too low to win soon, and keep what is needed to
    /// lower them later.
    fn scores(&mut self, candidates: &Candidates, rows: &dyn Rows, block: usize) -> Result<Vec<f64>>;

    /// Guess a limit that the bounds of about `size` rows will reach, before all blocks are lowered. Bounds below the
    /// limit are not lowered further. A wrong guess costs time and changes no pick.
    fn guess(&mut self, candidates: &mut Candidates, rows: &dyn Rows, size: usize, sharp: bool) -> Result<f64>;

    /// Lower the bounds of a block that are not below the limit, by the picks that they do not account for. With
    /// `sharp`, the rows themselves are read if rounded rows leave bounds too high.
    fn lower(
        &mut self,
        candidates: &mut Candidates,
        rows: &dyn Rows,
        block: usize,
        limit: f64,
        sharp: bool,
    ) -> Result<()>;
}

/// Rows with bounds of their scores: the source of windows for a pool on this machine, or for the part of a pool that a
/// worker holds. Rows are read when they are needed.
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

    /// Rows with bounds of their distances, read in blocks of `block` rows. Columns are multiplied by `factors`, if
    /// given.
    pub fn distances(rows: &dyn Rows, block: usize, metric: Metric, factors: Option<Vec<f64>>) -> Self {
        Self::with_found(rows, block, metric, factors, first_window_of_distances(rows.len()))
    }

    /// The same, where the survey finds so many distances, which need not be those of the first window.
    pub(super) fn with_found(
        rows: &dyn Rows,
        block: usize,
        metric: Metric,
        factors: Option<Vec<f64>>,
        found: usize,
    ) -> Self {
        Self::new(rows, block, DistanceBounds::new(metric, factors, found))
    }

    fn new(rows: &dyn Rows, block: usize, kind: impl Bounds + 'static) -> Self {
        let candidates = Candidates::new(rows.len(), block);
        Self { next: candidates.blocks(), candidates, kind: Box::new(kind) }
    }

    /// The candidates with the largest bounds after lowering, and the largest bound of all others.
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
    fn above(&mut self, rows: &dyn Rows, limit: f64, size: usize, sharp: bool) -> Result<(Vec<usize>, f64)> {
        let mut bounds = self.candidates.open_bounds();
        let mut limit = Limit::new(size, limit);
        for (top, block) in self.candidates.ranked() {
            if top < limit.value() {
                break;
            }
            self.kind.lower(&mut self.candidates, rows, block, limit.value(), sharp)?;
            let open = self.candidates.range(block).filter(|&i| self.candidates.is_open(i));
            open.clone().for_each(|candidate| bounds[candidate] = self.candidates.bounds[candidate]);
            limit.raise(open.map(|candidate| bounds[candidate]));
        }
        let limit = limit.value();
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
