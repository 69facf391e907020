//! Facility location: the pick that lowers most the sum, over the pool, of the distance to the nearest of core and picks.
//!
//! Greedy k-medoids, but nested, and aware of a core. By how much picks lower the sum is a monotone submodular function
//! of them, so greedy picks reach at least `1 - 1/e` of what the best ones would.

use crate::distance::{Coverage, Distance, Nearest, Rounded, Space, mean};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Greedy, Objective, Score};
use crate::rows::Pool;

/// A facility location under way.
///
/// The score of a pick is by how much it lowered the loss: infinite for the first one if there is no core. Scores never
/// increase. The [loss](crate::Selection::loss) is the sum over the pool of the distance to the nearest of core and picks,
/// infinite if there is neither; excluded candidates are part of that sum. No matrix of distances is kept.
///
/// ```
/// use mlipselect_core::{Distance, Engine, FacilityLocation, Metric, Pool, Scale, Selection, View};
///
/// let pool = Pool::new(View::new(&[0.0, 1.0, 2.0, 10.0, 11.0], 5, 1)?);
/// let distance = Distance { metric: Metric::Euclidean, scale: Scale::None };
/// let mut selection = FacilityLocation::new(&pool, distance, Engine::Lazy, usize::MAX)?;
/// selection.advance(&pool, 2)?;
/// assert_eq!(selection.indices(), [2, 3]);
/// assert_eq!(selection.loss(), Some(4.0));
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub type FacilityLocation = Greedy<Gains>;

impl FacilityLocation {
    /// Bytes that are taken for `pool` and `core` rows of `dim` features, at most.
    pub fn bytes(pool: usize, core: usize, dim: usize) -> usize {
        Coverage::bytes(pool, dim) + Rounded::bytes(core, dim) + Nearest::bytes(pool, core)
    }

    /// Measure what the core of the pool, where there is one, leaves to gain.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::NotFinite`], [`Error::Row`] for a row that is zero where angles are asked for,
    /// [`Error::Memory`] if [`FacilityLocation::bytes`] are more than `max_memory`.
    pub fn new(pool: &Pool<'_>, distance: Distance, engine: Engine, max_memory: usize) -> Result<Self> {
        let (rows, core) = (pool.structures(), pool.core());
        let needed = Self::bytes(rows.len(), core.len(), rows.dim());
        if needed > max_memory {
            return Err(Error::Memory {
                what: "facility location".into(),
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
        let coverage = Coverage::new(space, rounded, rows, chords, &origin, &lengths);
        Ok(Self::begin(Gains(coverage), engine, pool.len()))
    }
}

/// The objective of facility location: by how much a candidate lowers the loss.
pub struct Gains(Coverage);

impl Score for Gains {
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

impl Objective for Gains {
    fn dim(&self) -> usize {
        self.0.space().dim()
    }

    fn is_bare(&self) -> bool {
        self.0.is_bare()
    }

    fn loss(&self) -> Option<f64> {
        Some(self.0.loss())
    }
}
