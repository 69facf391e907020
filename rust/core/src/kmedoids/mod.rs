//! k-medoids: the rows that lower most the sum, over the pool, of the distance to the nearest of them.
//!
//! No matrix of distances is kept. Bounds from a few leading directions rule out most pairs of rows. Of the other pairs
//! only those are stored on which a swap may depend. The results are those of the textbook algorithms on the same
//! distances, which are computed from float32 rows. The loss that is returned is computed in float64.

mod assign;
mod build;
mod fasterpam;
mod lab;
mod neighbours;
mod plusplus;
mod points;
mod space;
mod start;

use crate::data::rows::{Pool, Rows};
use crate::data::scaling::{Scaled, standard_scales};
use crate::distance::Scale;
use crate::distance::screen::{LANES, Screen};
use crate::error::{Error, Result};
use fasterpam::FasterPam;
use space::{Space, Two};
pub use start::Start;
use start::Starting;

/// A k-medoids search: first medoids, then swaps, in any number of steps with the same result as in one step.
///
/// ```
/// use mlipselect_core::{KMedoids, Pool, Scale, Start, View};
///
/// let pool = Pool::new(View::new(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0], 6, 1)?);
/// let mut clustering = KMedoids::new(&pool, 2, &[], Scale::None, Start::Build, usize::MAX)?;
/// while !clustering.is_done() {
///     clustering.advance(1000)?;
/// }
/// let medoids = clustering.medoids(&pool)?;
/// assert_eq!(medoids.indices, [1, 4]);
/// assert_eq!(medoids.loss, 4.0);
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub struct KMedoids {
    space: Space,
    /// What columns are multiplied by.
    scales: Option<Vec<f64>>,
    /// Distance of every row to the core, infinite without one.
    core: Vec<f32>,
    /// Whether a row must not become a medoid.
    excluded: Vec<bool>,
    count: usize,
    max_memory: usize,
    row_bytes: usize,
    list_bytes: Option<usize>,
    window: usize,
    state: State,
}

enum State {
    Starting(Starting),
    /// One medoid without a core: BUILD finds the optimum.
    Single(u32),
    Swapping(Box<FasterPam>),
}

/// The result of k-medoids.
#[derive(Clone, Debug)]
pub struct Medoids {
    /// Medoids by the number of their rows, largest first; of equal ones, the lower index first.
    pub indices: Vec<usize>,
    /// Number of rows that are nearest to each medoid.
    pub sizes: Vec<usize>,
    /// For every row of the pool, the position of its medoid in `indices`; `None` if the core is at least as near.
    pub labels: Vec<Option<usize>>,
    /// Sum over the pool of the distance to the nearest medoid or row of the core.
    pub loss: f64,
}

impl KMedoids {
    /// Bytes for `pool` and `core` rows of `dim` features and `count` medoids, without lists of neighbours.
    pub fn row_bytes(pool: usize, core: usize, dim: usize, count: usize) -> usize {
        let packed = Screen::bytes(count.max(core).next_multiple_of(LANES), dim);
        Space::bytes(pool + core, dim) + packed + pool * (2 * size_of::<Two>() + 10 * size_of::<f32>())
    }

    /// Begin a search for `count` medoids. Rows of the pool that are `excluded` never become medoids; the rows of its core
    /// act as additional, fixed medoids.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::NotFinite`], [`Error::TooMany`], [`Error::Parameter`] if
    /// `count` is zero, [`Error::Shape`] if an excluded row is not in the pool, or [`Error::Memory`] if `max_memory` is
    /// less than [`KMedoids::row_bytes`].
    pub fn new(
        pool: &Pool<'_>,
        count: usize,
        excluded: &[usize],
        scale: Scale,
        start: Start,
        max_memory: usize,
    ) -> Result<Self> {
        let core = pool.core();
        let excluded = check(pool.structures(), core, count, excluded)?;
        let row_bytes = Self::row_bytes(pool.len(), core.len(), pool.dim(), count);
        affordable(row_bytes, max_memory)?;
        let scales = match scale {
            Scale::None => None,
            Scale::Standard => Some(standard_scales(&[("the pool", pool.structures()), ("the core", core)])?),
        };
        let space = scaled(pool, scales.as_deref(), Space::new)??;
        let charges = space.core_distances();
        let start = if count == 1 && core.is_empty() { Start::Build } else { start };
        Ok(Self {
            state: State::Starting(Starting::new(&space, &charges, &excluded, start)),
            space,
            scales,
            core: charges,
            excluded,
            count,
            max_memory,
            row_bytes,
            list_bytes: None,
            window: 0,
        })
    }

    /// Expected bytes of the lists of neighbours, beside [`KMedoids::row_bytes`]. Known as soon as all first medoids
    /// are chosen, before any list is made.
    pub fn list_bytes(&self) -> Option<usize> {
        self.list_bytes
    }

    /// Expected number of candidates whose lists fit into memory together. If it is smaller than the pool, the search
    /// is slower. Zero before the first medoids are chosen.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Continue the choice of the first medoids by one step or, once it is complete, visit up to `count` candidates in
    /// the order of the pool and swap each one that lowers the loss.
    ///
    /// # Errors
    /// [`Error::Memory`] if not even the lists of a small window fit into the allowed memory; nothing is changed.
    pub fn advance(&mut self, count: usize) -> Result<()> {
        match &mut self.state {
            State::Starting(starting) if starting.medoids().len() < self.count => starting.advance(&self.space),
            State::Starting(starting) => {
                let medoids = starting.medoids().to_vec();
                self.state = self.after_start(medoids)?;
            }
            State::Single(_) => {}
            State::Swapping(swapping) => swapping.advance(&self.space, count),
        }
        Ok(())
    }

    /// The state after the choice of the first medoids.
    fn after_start(&mut self, medoids: Vec<u32>) -> Result<State> {
        if medoids.len() == 1 && self.space.points.len() == self.space.pool() {
            self.list_bytes = Some(0);
            return Ok(State::Single(medoids[0]));
        }
        let (pool, left) = (self.space.pool(), self.max_memory - self.row_bytes);
        let mut swapping = FasterPam::new(&self.space, self.core.clone(), medoids, self.excluded.clone());
        let each = swapping.expected_bytes(&self.space);
        affordable(self.row_bytes + each * pool.min(MIN_WINDOW), self.max_memory)?;
        swapping.limit(left);
        self.window = pool.min(left / each);
        self.list_bytes = Some(self.window * each);
        Ok(State::Swapping(Box::new(swapping)))
    }

    /// Whether no swap of a medoid for another row lowers the loss.
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Starting(_) => false,
            State::Single(_) => true,
            State::Swapping(swapping) => swapping.is_done(),
        }
    }

    /// Number of first medoids chosen so far.
    pub fn started(&self) -> usize {
        match &self.state {
            State::Starting(starting) => starting.medoids().len(),
            State::Single(_) | State::Swapping(_) => self.count,
        }
    }

    /// Number of visits so far; a candidate counts once per round.
    pub fn visited(&self) -> usize {
        match &self.state {
            State::Starting(_) | State::Single(_) => 0,
            State::Swapping(swapping) => swapping.visited(),
        }
    }

    /// Number of swaps so far.
    pub fn swaps(&self) -> usize {
        match &self.state {
            State::Starting(_) | State::Single(_) => 0,
            State::Swapping(swapping) => swapping.swaps(),
        }
    }

    /// The medoids so far, given the pool that they were chosen from, with its core.
    ///
    /// # Errors
    /// [`Error::Dimension`] if it is another pool.
    pub fn medoids(&self, pool: &Pool<'_>) -> Result<Medoids> {
        let (medoids, known): (Vec<u32>, Vec<f32>) = match &self.state {
            State::Starting(starting) => {
                let mut medoids = starting.medoids().to_vec();
                medoids.sort_unstable();
                (medoids, starting.charges().to_vec())
            }
            State::Single(medoid) => {
                let mut known = vec![self.space.points.diameter(); pool.len()];
                self.space.lower(&mut known, &[*medoid]);
                (vec![*medoid], known)
            }
            State::Swapping(swapping) => {
                let mut medoids = swapping.medoids().to_vec();
                medoids.sort_unstable();
                (medoids, swapping.nearest().iter().map(|two| two.near_distance).collect())
            }
        };
        let (labels, loss) = scaled(pool, self.scales.as_deref(), |pool, core| {
            assign::assign(&self.space, pool, core, &medoids, &known)
        })?;
        Ok(by_size(&medoids, labels, loss))
    }
}

/// Call `work` with the rows of pool and core, their columns multiplied by the scales where there are any.
///
/// # Errors
/// [`Error::Dimension`] unless there is one scale for each column.
fn scaled<T>(pool: &Pool<'_>, scales: Option<&[f64]>, work: impl FnOnce(&dyn Rows, &dyn Rows) -> T) -> Result<T> {
    let (rows, core) = (pool.structures(), pool.core());
    Ok(match scales {
        None => work(rows, core),
        Some(scales) => work(&Scaled::new(rows, scales)?, &Scaled::new(core, scales)?),
    })
}

/// Smallest window, in candidates, for which the search is feasible.
const MIN_WINDOW: usize = 1024;

fn by_size(medoids: &[u32], labels: Vec<Option<usize>>, loss: f64) -> Medoids {
    let mut sizes = vec![0; medoids.len()];
    labels.iter().flatten().for_each(|&label| sizes[label] += 1);
    let mut order: Vec<usize> = (0..medoids.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
    let mut rank = vec![0; medoids.len()];
    order.iter().enumerate().for_each(|(position, &i)| rank[i] = position);
    Medoids {
        indices: order.iter().map(|&i| medoids[i] as usize).collect(),
        sizes: order.iter().map(|&i| sizes[i]).collect(),
        labels: labels.into_iter().map(|label| label.map(|i| rank[i])).collect(),
        loss,
    }
}

/// Check the arguments of a search, and mark the excluded rows.
fn check(pool: &dyn Rows, core: &dyn Rows, count: usize, excluded: &[usize]) -> Result<Vec<bool>> {
    if pool.is_empty() {
        return Err(Error::EmptyPool);
    }
    if pool.dim() == 0 {
        return Err(Error::Parameter { name: "the pool", expected: "rows of at least one feature", given: "0".into() });
    }
    if count == 0 {
        return Err(Error::Parameter { name: "n_to_select", expected: "at least 1", given: "0".into() });
    }
    if let Some(out) = excluded.iter().find(|&&row| row >= pool.len()) {
        return Err(Error::Shape(format!(
            "candidate {out} cannot be excluded: the pool has {} candidates",
            pool.len()
        )));
    }
    let mut closed = vec![false; pool.len()];
    excluded.iter().for_each(|&row| closed[row] = true);
    let available = closed.iter().filter(|closed| !**closed).count();
    if count > available {
        return Err(Error::TooMany { asked: count, available });
    }
    if u32::try_from(pool.len().saturating_add(core.len())).map_or(true, |len| len == u32::MAX) {
        return Err(Error::Shape(format!(
            "k-medoids takes up to {} rows of pool and core, given {} and {}",
            u32::MAX - 1,
            pool.len(),
            core.len()
        )));
    }
    Ok(closed)
}

fn affordable(needed: usize, allowed: usize) -> Result<()> {
    match needed <= allowed {
        true => Ok(()),
        false => Err(Error::Memory {
            what: "k-medoids".into(),
            needed,
            allowed,
            advice: "raise max_memory, or thin the pool out with RandomSelector or FPS before",
        }),
    }
}
