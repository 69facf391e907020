//! Facility location: the pick that lowers most the sum, over the pool, of the distance to the nearest of core and picks.
//!
//! Greedy k-medoids, but nested, and aware of a core. By how much picks lower the sum is a monotone submodular function
//! of them, so greedy picks reach at least `1 - 1/e` of what the best ones would.

use crate::distance::{Coverage, Distance, Nearest, Rounded, Space, mean};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Picks, Score};
use crate::rows::{NoRows, Pool, Rows};

/// A selection under way: it can be advanced by any number of picks, with the same result as in one go.
///
/// The pool is passed to every call and must be the same each time; no matrix of distances is kept.
///
/// ```
/// use mlipselect_core::{Distance, Engine, FacilityLocation, Metric, Pool, Scale, View};
///
/// let pool = Pool::new(View::new(&[0.0, 1.0, 2.0, 10.0, 11.0], 5, 1)?);
/// let distance = Distance { metric: Metric::Euclidean, scale: Scale::None };
/// let mut selection = FacilityLocation::new(&pool, None, distance, Engine::Lazy, usize::MAX)?;
/// selection.advance(&pool, 2)?;
/// assert_eq!(selection.indices(), [2, 3]);
/// assert_eq!(selection.loss(), 4.0);
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub struct FacilityLocation {
    coverage: Coverage,
    picks: Picks,
    scores: Vec<f64>,
}

impl FacilityLocation {
    /// Bytes that are taken for `pool` and `core` rows of `dim` features, at most.
    pub fn bytes(pool: usize, core: usize, dim: usize) -> usize {
        Coverage::bytes(pool, dim) + Rounded::bytes(core, dim) + Nearest::bytes(pool, core)
    }

    /// Measure what the rows of a core, where there is one, leave to gain.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::Dimension`], [`Error::NotFinite`], [`Error::Row`] for a row that is zero where
    /// angles are asked for, [`Error::Memory`] if [`FacilityLocation::bytes`] are more than `max_memory`.
    pub fn new(
        pool: &Pool<'_>,
        core: Option<&dyn Rows>,
        distance: Distance,
        engine: Engine,
        max_memory: usize,
    ) -> Result<Self> {
        let (rows, core) = (pool.structures(), core.unwrap_or(&NoRows));
        let needed = Self::bytes(rows.len(), core.len(), rows.dim());
        if needed > max_memory {
            return Err(Error::Memory {
                what: "facility location",
                needed,
                allowed: max_memory,
                advice: "raise max_memory, or thin the pool out with RandomSelector or FPS before",
            });
        }
        let space = Space::new(distance, rows, core)?;
        let origin = mean("the pool", space.points(rows))?;
        let (rounded, lengths) = Rounded::new("the pool", space.points(rows), &origin)?;
        let (rounded_core, _) = Rounded::new("the core", space.points(core), &origin)?;
        let mut nearest = Nearest::new(space, rounded, rounded_core);
        if !core.is_empty() {
            nearest.tighten(rows, core, &(0..rows.len()).collect::<Vec<_>>(), f64::NEG_INFINITY);
        }
        let (space, rounded, chords) = nearest.into_parts();
        Ok(Self {
            coverage: Coverage::new(space, rounded, rows, chords, &origin, &lengths),
            picks: Picks::new(engine, pool.len()),
            scores: Vec::new(),
        })
    }

    /// Never pick these candidates. They are still part of the pool that is to be near the picks.
    ///
    /// # Errors
    /// [`Error::Shape`] if one is not in the pool; none is then excluded.
    pub fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        self.picks.exclude(candidates)
    }

    /// The candidate that [`FacilityLocation::advance`] would pick next and its score, or nothing if none is left.
    ///
    /// # Errors
    /// As [`FacilityLocation::advance`].
    pub fn propose(&mut self, pool: &Pool<'_>) -> Result<Option<(usize, f64)>> {
        self.picks.check(pool, self.coverage.space().dim(), 0)?;
        let first = self.coverage.is_bare();
        let pick = self.picks.propose(&mut Gains(&mut self.coverage), pool);
        Ok(pick.map(|pick| (pick.index, if first { f64::INFINITY } else { pick.score })))
    }

    /// Pick `count` more candidates.
    ///
    /// # Errors
    /// [`Error::TooMany`] if fewer are left, [`Error::Shape`] or [`Error::Dimension`] if the pool is another one; nothing
    /// is picked then.
    pub fn advance(&mut self, pool: &Pool<'_>, count: usize) -> Result<()> {
        self.picks.check(pool, self.coverage.space().dim(), count)?;
        for _ in 0..count {
            let first = self.coverage.is_bare();
            let Some(pick) = self.picks.next(&mut Gains(&mut self.coverage), pool) else {
                break;
            };
            if first {
                // Losses give no hint of gains.
                self.picks.forget_scores();
            }
            self.scores.push(if first { f64::INFINITY } else { pick.score });
        }
        Ok(())
    }

    /// Pick a candidate, the best or not: what another run picked is picked again without a search, and leads to the same
    /// scores, bit for bit.
    ///
    /// # Errors
    /// [`Error::Shape`] if the candidate is picked or excluded already; otherwise as [`FacilityLocation::advance`].
    pub fn pick(&mut self, pool: &Pool<'_>, candidate: usize) -> Result<()> {
        self.picks.check(pool, self.coverage.space().dim(), 0)?;
        let first = self.coverage.is_bare();
        let pick = self.picks.pick(&mut Gains(&mut self.coverage), pool, candidate)?;
        if first {
            self.picks.forget_scores();
        }
        self.scores.push(if first { f64::INFINITY } else { pick.score });
        Ok(())
    }

    /// Candidates that are neither picked nor excluded.
    pub fn remaining(&self) -> usize {
        self.picks.remaining()
    }

    /// The picks so far, in order.
    pub fn indices(&self) -> &[usize] {
        self.picks.indices()
    }

    /// By how much each pick lowered the loss: infinite for the first one if there is no core. They never increase.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Sum over the pool of the distance to the nearest of core and picks: infinite if there is neither.
    pub fn loss(&self) -> f64 {
        self.coverage.loss()
    }
}

/// The score of a candidate: what it gains.
struct Gains<'a>(&'a mut Coverage);

impl Score for Gains<'_> {
    fn bounds(&self) -> &[f64] {
        self.0.bounds()
    }

    fn is_exact(&self, candidate: usize) -> bool {
        self.0.is_exact(candidate)
    }

    fn tighten(&mut self, pool: &Pool<'_>, candidates: &[usize], threshold: f64) {
        self.0.tighten(pool.structures(), candidates, threshold);
    }

    fn observe(&mut self, pool: &Pool<'_>, pick: usize) {
        self.0.observe(pool.structures(), pick);
    }

    fn definition(&self, pool: &Pool<'_>) -> Vec<f64> {
        self.0.definition(pool.structures())
    }
}
