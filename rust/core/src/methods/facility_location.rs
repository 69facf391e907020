//! Facility location: pick what most lowers the sum over the pool of the distance to the nearest of core and picks.
//!
//! The picks are nested, unlike those of k-medoids. The decrease of the sum is a monotone submodular function of the
//! picks, so greedy picks reach at least `1 - 1/e` of the largest possible decrease.

use crate::data::rows::{Pool, in_blocks};
use crate::data::scratch::Place;
use crate::data::spans;
use crate::distance::{Coverage, Distance, Nearest, Rounded, Space, mean};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Greedy, Objective, Score};

/// A facility location.
///
/// The score of a pick is the decrease of the loss, infinite for the first pick without a core. Scores never rise. The
/// [loss](crate::Selection::loss) is the sum over the pool of the distance to the nearest of core and picks, infinite
/// if there is neither; excluded candidates count in that sum. No matrix of distances is kept.
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
    /// Largest number of bytes for `pool` and `core` rows of `dim` features.
    pub fn bytes(pool: usize, core: usize, dim: usize) -> usize {
        Coverage::bytes(pool, dim) + Rounded::bytes(core, dim) + Nearest::bytes(pool, core)
    }

    /// Largest number of bytes in memory if [`FacilityLocation::bytes`] is above the limit: rounded points are then
    /// kept in a mapped temporary file.
    pub fn bytes_beside_file(pool: usize, core: usize, dim: usize) -> usize {
        let working = 2 * spans::bytes(pool, dim);
        Coverage::bytes_beside_file(pool, dim) + Rounded::bytes(core, dim) + Nearest::bytes(pool, core) + working
    }

    /// Measure the distances to the core of the pool, if there is one, and bound every gain.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::NotFinite`], [`Error::Row`] for a zero row if the metric is the cosine,
    /// [`Error::Memory`] if both [`FacilityLocation::bytes`] and [`FacilityLocation::bytes_beside_file`] are more than
    /// `max_memory`, [`Error::File`] if there is no room for the file.
    pub fn new(pool: &Pool<'_>, distance: Distance, engine: Engine, max_memory: usize) -> Result<Self> {
        let count = |bytes: fn(usize, usize, usize) -> usize| bytes(pool.len(), pool.core().len(), pool.dim());
        let (whole, beside_file) = (count(Self::bytes), count(Self::bytes_beside_file));
        match (whole <= max_memory, beside_file <= max_memory) {
            (true, _) => Self::kept_in(Place::Memory, pool, distance, engine),
            (false, true) => Self::kept_in(Place::File, pool, distance, engine),
            (false, false) => Err(Error::Memory {
                what: "facility location".into(),
                needed: whole.min(beside_file),
                allowed: max_memory,
                advice: "raise max_memory, or thin the pool out with RandomSelector or FPS before",
            }),
        }
    }

    fn kept_in(place: Place, pool: &Pool<'_>, distance: Distance, engine: Engine) -> Result<Self> {
        let (rows, core) = (pool.structures(), pool.core());
        let space = Space::new(distance, rows, core)?;
        let origin = mean("the pool", space.points(rows))?;
        let (rounded, lengths) = Rounded::kept_in(place, "the pool", space.points(rows), &origin)?;
        let (rounded_core, _) = Rounded::new("the core", space.points(core), &origin)?;
        let mut nearest = Nearest::new(space, rounded, rounded_core);
        if !core.is_empty() {
            in_blocks(rows, 1, |range| {
                nearest.tighten(rows, core, &range.clone().collect::<Vec<_>>(), f64::NEG_INFINITY);
                nearest.release(range);
                Ok(())
            })?;
        }
        let (space, rounded, chords) = nearest.into_parts();
        let coverage = Coverage::new(space, rounded, rows, chords, &origin, &lengths, place)?;
        Ok(Self::begin(Gains(coverage), engine, pool.len()))
    }
}

/// The objective of facility location: the decrease of the loss by a candidate.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::View;
    use crate::distance::{Metric, Scale};
    use crate::greedy::Selection;

    proptest! {
        #[test]
        fn points_in_a_file_are_those_in_memory(
            count in 1_usize..150, known in 0_usize..4, dim in 1_usize..20, seed in 0_u32..1000, cosine in any::<bool>(),
        ) {
            let value = |k: usize| ((f64::from(seed) + (k % 1000) as f64 * 1.7).sin() * 43758.5453).fract() + 0.1;
            let data: Vec<f64> = (0..(count + known) * dim).map(value).collect();
            let (data, core) = data.split_at(count * dim);
            let core = View::new(core, known, dim).unwrap();
            let pool = Pool::new(View::new(data, count, dim).unwrap()).with_core(core).unwrap();
            let metric = if cosine { Metric::Cosine } else { Metric::Euclidean };
            let distance = Distance { metric, scale: Scale::Standard };
            let [memory, file] = [Place::Memory, Place::File].map(|place| {
                let mut selection = FacilityLocation::kept_in(place, &pool, distance, Engine::Lazy).unwrap();
                selection.advance(&pool, count.min(20)).unwrap();
                selection
            });
            prop_assert_eq!(memory.indices(), file.indices());
            prop_assert_eq!(memory.scores(), file.scores());
        }
    }

    #[test]
    fn a_file_is_used_where_memory_is_short_and_not_too_short() {
        let dim = 64;
        let (whole, beside) =
            (FacilityLocation::bytes(1 << 20, 0, dim), FacilityLocation::bytes_beside_file(1 << 20, 0, dim));
        assert!(beside < whole / 2 + (64 << 20), "{beside} {whole}");
        let data = [1.0; 4];
        let pool = Pool::new(View::new(&data, 4, 1).unwrap());
        let selection = FacilityLocation::new(&pool, Distance::default(), Engine::Lazy, 10);
        assert!(matches!(selection.err(), Some(Error::Memory { allowed: 10, .. })));
    }
}
