//! Farthest point sampling: pick the candidate that is farthest from core and picks, and repeat.

use crate::data::rows::{NoRows, Pool};
use crate::distance::{Distance, Metric, Nearest, Rounded, Space, mean};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Greedy, Objective, Score};

/// A farthest point sampling.
///
/// The score of a pick is its distance to the nearest of the core and the earlier picks, infinite for the first pick
/// without a core. Scores never rise.
///
/// ```
/// use mlipselect_core::{Distance, Engine, Fps, Metric, Pool, Scale, Selection, View};
///
/// let pool = Pool::new(View::new(&[0.0, 1.0, 5.0, 6.0], 4, 1)?);
/// let distance = Distance { metric: Metric::Euclidean, scale: Scale::None };
/// let mut selection = Fps::new(&pool, distance, Some(1), Engine::Lazy)?;
/// selection.advance(&pool, 3)?;
/// assert_eq!(selection.indices(), [1, 3, 0]);
/// assert_eq!(selection.scores(), [f64::INFINITY, 5.0, 1.0]);
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub type Fps = Greedy<Distances>;

impl Fps {
    /// Measure the distances from the core of the pool. Without a core, the first pick is the candidate `initialize`
    /// or, by default, the one farthest from the mean of the pool.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::NotFinite`], [`Error::Row`] for a zero row if the metric is the cosine,
    /// [`Error::Shape`] if `initialize` is not in the pool or is given beside a core.
    pub fn new(pool: &Pool<'_>, distance: Distance, initialize: Option<usize>, engine: Engine) -> Result<Self> {
        let (rows, core) = (pool.structures(), pool.core());
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
        let (rounded, mut lengths) = Rounded::new("the pool", space.points(rows), &origin)?;
        let (rounded_core, _) = Rounded::new("the core", space.points(core), &origin)?;
        if let Some(start) = initialize {
            lengths.fill(0.0);
            lengths[start] = 1.0;
        }
        let start = core.is_empty().then_some(Start { ranks: lengths, candidate: initialize });
        let nearest = Nearest::new(space, rounded, rounded_core);
        Ok(Self::begin(Distances { nearest, start }, engine, pool.len()))
    }

    /// Begin with the known distance of each candidate to its nearest centre, as a Euclidean distance between points of
    /// the metric. The pool has no core.
    ///
    /// Columns are multiplied by `factors`, if given.
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
        let (none, _) = Rounded::new("the core", space.points(&NoRows(rows.dim())), &origin)?;
        let nearest = Nearest::with_distances(space, rounded, none, lengths);
        Ok(Self::begin(Distances { nearest, start: None }, engine, pool.len()))
    }
}

/// The objective of farthest point sampling: the distance of a candidate to the nearest centre.
pub struct Distances {
    nearest: Nearest,
    /// The choice of the first pick, while there is no centre.
    start: Option<Start>,
}

/// The choice of the first pick without a core.
struct Start {
    /// The first pick is the candidate with the largest rank.
    ranks: Vec<f64>,
    /// The candidate `initialize`, if given.
    candidate: Option<usize>,
}

impl Score for Distances {
    fn bounds(&self) -> &[f64] {
        self.start.as_ref().map_or(self.nearest.bounds(), |start| &start.ranks)
    }

    fn is_exact(&self, candidate: usize) -> bool {
        self.start.is_some() || self.nearest.is_exact(candidate)
    }

    fn tighten(&mut self, pool: &Pool<'_>, candidates: &[usize], threshold: f64) {
        self.nearest.tighten(pool.structures(), pool.core(), candidates, threshold);
    }

    fn observe(&mut self, _pool: &Pool<'_>, pick: usize) {
        self.nearest.observe(pick);
        self.start = None;
    }

    fn definition(&self, pool: &Pool<'_>) -> Vec<f64> {
        match &self.start {
            Some(start) => start.ranks.clone(),
            None => self.nearest.definition(pool.structures(), pool.core()),
        }
    }
}

impl Objective for Distances {
    fn dim(&self) -> usize {
        self.nearest.space().dim()
    }

    fn check_core(&self, pool: &Pool<'_>) -> Result<()> {
        self.nearest.check_core(pool.core())
    }

    fn check_excluded(&self, candidates: &[usize]) -> Result<()> {
        match self.start.as_ref().and_then(|start| start.candidate) {
            Some(start) if candidates.contains(&start) => {
                Err(Error::Shape(format!("candidate {start} cannot be excluded: the selection begins with it")))
            }
            _ => Ok(()),
        }
    }

    fn is_bare(&self) -> bool {
        self.start.is_some()
    }

    fn reported(&self, score: f64) -> f64 {
        self.nearest.space().reported(score)
    }
}
