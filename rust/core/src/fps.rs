//! Farthest point sampling: the pick that is farthest from everything that is there already, then the next one.

use crate::distance::{Distance, Metric, Nearest, Rounded, Space, mean};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Picks, Score, first_largest};
use crate::rows::{NoRows, Pool, Rows};

/// A farthest point sampling under way: it can be advanced by any number of picks, with the same result as in one go.
///
/// Pool and core are passed to every call and must be the same each time. Of the pool a rounded copy is kept, two bytes
/// a number, and no other.
///
/// ```
/// use mlipselect_core::{Distance, Engine, Fps, Metric, Pool, Scale, View};
///
/// let pool = Pool::new(View::new(&[0.0, 1.0, 5.0, 6.0], 4, 1)?);
/// let distance = Distance { metric: Metric::Euclidean, scale: Scale::None };
/// let mut selection = Fps::new(&pool, None, distance, Some(1), Engine::Lazy)?;
/// selection.advance(&pool, None, 3)?;
/// assert_eq!(selection.indices(), [1, 3, 0]);
/// assert_eq!(selection.scores(), [f64::INFINITY, 5.0, 1.0]);
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub struct Fps {
    nearest: Nearest,
    start: Start,
    picks: Picks,
    scores: Vec<f64>,
}

/// Where a selection begins.
enum Start {
    /// At the candidates farthest from the core.
    Core,
    /// At a given candidate.
    Candidate(usize),
    /// At the candidate that is farthest from the mean, with these distances from it.
    Mean(Vec<f64>),
}

impl Fps {
    /// Begin with the rows of a core or, without any, with the candidate `initialize` or, without that, with the one
    /// that is farthest from the mean of the pool.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::Dimension`], [`Error::NotFinite`], [`Error::Row`] for a row that is zero where
    /// angles are asked for, [`Error::Shape`] if `initialize` is not in the pool or there is a core as well.
    pub fn new(
        pool: &Pool<'_>,
        core: Option<&dyn Rows>,
        distance: Distance,
        initialize: Option<usize>,
        engine: Engine,
    ) -> Result<Self> {
        let (rows, core) = (pool.structures(), core.unwrap_or(&NoRows));
        if let Some(start) = initialize {
            if !core.is_empty() {
                return Err(Error::Shape("a core is where the selection begins: leave initialize out".into()));
            }
            if start >= pool.len() {
                return Err(Error::Shape(format!(
                    "initialize must be a candidate: the pool has {} candidates, given {start}",
                    pool.len()
                )));
            }
        }
        let space = Space::new(distance, rows, core)?;
        let origin = mean("the pool", space.points(rows))?;
        let (rounded, lengths) = Rounded::new("the pool", space.points(rows), &origin)?;
        let (rounded_core, _) = Rounded::new("the core", space.points(core), &origin)?;
        let start = match initialize {
            _ if !core.is_empty() => Start::Core,
            Some(start) => Start::Candidate(start),
            None => Start::Mean(lengths),
        };
        Ok(Self {
            nearest: Nearest::new(space, rounded, rounded_core),
            start,
            picks: Picks::new(engine, pool.len()),
            scores: Vec::new(),
        })
    }

    /// Begin with a pool whose lengths to what is there already are known: those that [`nearest_lengths`] gives.
    ///
    /// Columns are multiplied by `factors`, where there are any.
    ///
    /// # Errors
    /// As [`Fps::new`], and [`Error::Shape`] unless there is one length for each candidate.
    pub fn with_lengths(
        pool: &Pool<'_>,
        metric: Metric,
        factors: Option<&[f64]>,
        lengths: Vec<f64>,
        engine: Engine,
    ) -> Result<Self> {
        let rows = pool.structures();
        if lengths.len() != rows.len() {
            return Err(Error::Shape(format!("expected {} lengths, given {}", rows.len(), lengths.len())));
        }
        let space = Space::with_factors(metric, factors, rows.dim())?;
        let origin = mean("the pool", space.points(rows))?;
        let (rounded, _) = Rounded::new("the pool", space.points(rows), &origin)?;
        let (none, _) = Rounded::new("the core", space.points(&NoRows), &origin)?;
        Ok(Self {
            nearest: Nearest::with_distances(space, rounded, none, lengths),
            start: Start::Core,
            picks: Picks::new(engine, pool.len()),
            scores: Vec::new(),
        })
    }

    /// Never pick these candidates.
    ///
    /// # Errors
    /// [`Error::Shape`] if one is not in the pool or is where the selection will begin; none is then excluded.
    pub fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        match self.start {
            Start::Candidate(start) if self.nearest.centres() == 0 && candidates.contains(&start) => {
                Err(Error::Shape(format!("candidate {start} cannot be excluded: the selection begins with it")))
            }
            _ => self.picks.exclude(candidates),
        }
    }

    /// The candidate that [`Fps::advance`] would pick next and its score, or nothing if none is left.
    ///
    /// # Errors
    /// As [`Fps::advance`].
    pub fn propose(&mut self, pool: &Pool<'_>, core: Option<&dyn Rows>) -> Result<Option<(usize, f64)>> {
        let core = core.unwrap_or(&NoRows);
        self.check(pool, core, 0)?;
        if self.is_bare() {
            return Ok(self.first().map(|index| (index, f64::INFINITY)));
        }
        let pick = self.picks.propose(&mut Distances { nearest: &mut self.nearest, core }, pool);
        Ok(pick.map(|pick| (pick.index, self.nearest.space().reported(pick.score))))
    }

    /// Pick `count` more candidates.
    ///
    /// # Errors
    /// [`Error::TooMany`] if fewer are left, [`Error::Shape`] or [`Error::Dimension`] if pool or core is another one;
    /// nothing is picked then.
    pub fn advance(&mut self, pool: &Pool<'_>, core: Option<&dyn Rows>, count: usize) -> Result<()> {
        let core = core.unwrap_or(&NoRows);
        self.check(pool, core, count)?;
        for _ in 0..count {
            if self.is_bare() {
                self.begin();
            } else if let Some(pick) = self.picks.next(&mut Distances { nearest: &mut self.nearest, core }, pool) {
                self.scores.push(self.nearest.space().reported(pick.score));
            }
        }
        Ok(())
    }

    /// Pick a candidate, the farthest or not: what another run picked is picked again without a search, and leads to the
    /// same scores, bit for bit.
    ///
    /// # Errors
    /// [`Error::Shape`] if the candidate is picked or excluded already; otherwise as [`Fps::advance`].
    pub fn pick(&mut self, pool: &Pool<'_>, core: Option<&dyn Rows>, candidate: usize) -> Result<()> {
        let core = core.unwrap_or(&NoRows);
        self.check(pool, core, 0)?;
        if self.is_bare() {
            self.picks.check_open(candidate)?;
            self.start_at(candidate);
        } else {
            let pick = self.picks.pick(&mut Distances { nearest: &mut self.nearest, core }, pool, candidate)?;
            self.scores.push(self.nearest.space().reported(pick.score));
        }
        Ok(())
    }

    /// Whether there is nothing to be far from yet.
    fn is_bare(&self) -> bool {
        self.nearest.centres() == 0 && !matches!(self.start, Start::Core)
    }

    fn check(&self, pool: &Pool<'_>, core: &dyn Rows, count: usize) -> Result<()> {
        self.picks.check(pool, self.nearest.space().dim(), count)?;
        self.nearest.check_core(core)
    }

    /// The first pick where there is nothing to be far from.
    fn first(&self) -> Option<usize> {
        match &self.start {
            Start::Candidate(start) => Some(*start),
            Start::Mean(lengths) => first_largest(lengths, |i| self.picks.is_open(i)),
            Start::Core => None,
        }
    }

    fn begin(&mut self) {
        if let Some(index) = self.first() {
            self.start_at(index);
        }
    }

    fn start_at(&mut self, candidate: usize) {
        self.picks.take(candidate);
        self.scores.push(f64::INFINITY);
        self.nearest.observe(candidate);
        self.start = Start::Core;
    }

    /// Candidates that are neither picked nor excluded.
    pub fn remaining(&self) -> usize {
        self.picks.remaining()
    }

    /// The picks so far, in order.
    pub fn indices(&self) -> &[usize] {
        self.picks.indices()
    }

    /// The distance of each pick, when it was picked, from the core and the picks before it: infinite for the first
    /// one if there is no core. They never increase.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }
}

/// The Euclidean distance of every row, as a point of the metric, to the nearest of some centres. Those below `threshold`
/// may be too large, but not beyond it.
///
/// Columns are multiplied by `factors`, where there are any. For the metric [`Metric::Cosine`] points lie on the unit
/// sphere, and a distance of `1 - cos` is half the square of what is returned.
///
/// # Errors
/// As [`Fps::new`].
pub fn nearest_lengths(
    rows: &dyn Rows,
    centres: &dyn Rows,
    metric: Metric,
    factors: Option<&[f64]>,
    threshold: f64,
) -> Result<Vec<f64>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    if centres.dim() != rows.dim() {
        return Err(Error::Dimension { what: "the centres", expected: rows.dim(), given: centres.dim() });
    }
    let space = Space::with_factors(metric, factors, rows.dim())?;
    let origin = mean("the rows", space.points(rows))?;
    let (rounded, _) = Rounded::new("the rows", space.points(rows), &origin)?;
    let (rounded_centres, _) = Rounded::new("the centres", space.points(centres), &origin)?;
    let mut nearest = Nearest::new(space, rounded, rounded_centres);
    nearest.tighten(rows, centres, &(0..rows.len()).collect::<Vec<_>>(), threshold);
    Ok(nearest.into_parts().2)
}

/// The score of a candidate: its distance to the nearest centre.
struct Distances<'a> {
    nearest: &'a mut Nearest,
    core: &'a dyn Rows,
}

impl Score for Distances<'_> {
    fn bounds(&self) -> &[f64] {
        self.nearest.bounds()
    }

    fn is_exact(&self, candidate: usize) -> bool {
        self.nearest.is_exact(candidate)
    }

    fn tighten(&mut self, pool: &Pool<'_>, candidates: &[usize], threshold: f64) {
        self.nearest.tighten(pool.structures(), self.core, candidates, threshold);
    }

    fn observe(&mut self, _pool: &Pool<'_>, pick: usize) {
        self.nearest.observe(pick);
    }

    fn definition(&self, pool: &Pool<'_>) -> Vec<f64> {
        self.nearest.definition(pool.structures(), self.core)
    }
}
