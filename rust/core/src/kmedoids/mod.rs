//! k-medoids: the rows that lower most the sum, over the pool, of the distance to the nearest of them.
//!
//! No matrix of distances is kept. Bounds from a few leading directions rule most pairs of rows out, and of the others
//! only those are remembered that a swap may depend on. The results are those of the textbook algorithms on the same
//! distances, which are computed from float32 rows; the loss that is returned is computed from the rows as they are.

mod assign;
mod build;
mod fasterpam;
mod kernel;
mod lab;
mod neighbours;
mod plusplus;
mod points;
pub(crate) mod screen;
mod space;
mod subspace;

use crate::error::{Error, Result};
use crate::rows::Rows;
use fasterpam::FasterPam;
use space::{Space, Two};

/// How the first medoids are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// BUILD: greedily, each the best of all rows.
    Build,
    /// LAB: greedily, each the best of a few random rows.
    Lab {
        /// Seed of the draws.
        seed: u64,
    },
    /// k-medoids++: drawn with probabilities proportional to the distance to the nearest medoid so far.
    PlusPlus {
        /// Seed of the draws.
        seed: u64,
    },
}

/// k-medoids under way: first medoids, then swaps in any number of steps, with the same result as in one go.
///
/// ```
/// use mlipselect_core::{KMedoids, Start, View};
///
/// let rows = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
/// let (pool, core) = (View::new(&rows, 6, 1)?, View::<f64>::new(&[], 0, 1)?);
/// let mut clustering = KMedoids::new(&pool, &core, 2, Start::Build, usize::MAX)?;
/// while !clustering.is_done() {
///     clustering.advance(1000);
/// }
/// let medoids = clustering.medoids(&pool, &core);
/// assert_eq!(medoids.indices, [1, 4]);
/// assert_eq!(medoids.loss, 4.0);
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub struct KMedoids {
    space: Space,
    state: State,
    window: usize,
    list_bytes: usize,
}

enum State {
    /// One medoid without a core: BUILD finds the best.
    Single(u32),
    Swapping(Box<FasterPam>),
}

/// The result of k-medoids.
#[derive(Clone, Debug)]
pub struct Medoids {
    /// Medoids, those with more rows first, of equal ones the lower index first.
    pub indices: Vec<usize>,
    /// Rows that are nearest to each medoid.
    pub sizes: Vec<usize>,
    /// For every row of the pool, the position of its medoid in `indices`; none where the core is at least as near.
    pub labels: Vec<Option<usize>>,
    /// Sum over the pool of the distance to the nearest medoid or row of the core.
    pub loss: f64,
}

impl KMedoids {
    /// Bytes that are taken for `pool` and `core` rows of `dim` features before any list of neighbours.
    pub fn row_bytes(pool: usize, core: usize, dim: usize) -> usize {
        Space::bytes(pool + core, dim) + pool * (2 * size_of::<Two>() + 4 * size_of::<f32>())
    }

    /// Choose the first `count` medoids; the rows of `core` act as medoids that are there already.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::Dimension`], [`Error::NotFinite`], [`Error::TooMany`], [`Error::Parameter`] if
    /// `count` is zero, or [`Error::Memory`] if less than [`KMedoids::row_bytes`] and the lists of a few candidates is
    /// allowed.
    pub fn new(pool: &dyn Rows, core: &dyn Rows, count: usize, start: Start, max_memory: usize) -> Result<Self> {
        check(pool, core, count)?;
        let rows = Self::row_bytes(pool.len(), core.len(), pool.dim());
        affordable(rows, max_memory)?;
        let space = Space::new(pool, core)?;
        let charges = space.core_distances();
        if count == 1 && core.is_empty() {
            let medoid = build::build(&space, &charges, 1)[0];
            return Ok(Self { space, state: State::Single(medoid), window: 1, list_bytes: 0 });
        }
        let medoids = match start {
            Start::Build => build::build(&space, &charges, count),
            Start::Lab { seed } => lab::lab(&space, &charges, count, seed),
            Start::PlusPlus { seed } => plusplus::plusplus(&space, &charges, count, seed),
        };
        let mut swapping = FasterPam::new(&space, charges, medoids);
        let each = swapping.expected_bytes(&space);
        affordable(rows + each * pool.len().min(MIN_WINDOW), max_memory)?;
        let window = pool.len().min((max_memory - rows) / each);
        swapping.set_window(window);
        Ok(Self { space, state: State::Swapping(Box::new(swapping)), window, list_bytes: window * each })
    }

    /// Bytes that the lists of neighbours are expected to take, beside [`KMedoids::row_bytes`].
    pub fn list_bytes(&self) -> usize {
        self.list_bytes
    }

    /// Candidates whose lists are kept at a time: fewer than the pool has where memory is short, and slower then.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Visit up to `count` candidates more, in the order of the pool, and swap each that lowers the loss.
    pub fn advance(&mut self, count: usize) {
        if let State::Swapping(swapping) = &mut self.state {
            swapping.advance(&self.space, count);
        }
    }

    /// Whether no swap of a medoid for another row lowers the loss.
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Single(_) => true,
            State::Swapping(swapping) => swapping.is_done(),
        }
    }

    /// Candidates visited so far, each as often as it was its turn.
    pub fn visited(&self) -> usize {
        match &self.state {
            State::Single(_) => 0,
            State::Swapping(swapping) => swapping.visited(),
        }
    }

    /// Swaps so far.
    pub fn swaps(&self) -> usize {
        match &self.state {
            State::Single(_) => 0,
            State::Swapping(swapping) => swapping.swaps(),
        }
    }

    /// The medoids so far, given the pool and the core that they were chosen from and for.
    pub fn medoids(&self, pool: &dyn Rows, core: &dyn Rows) -> Medoids {
        let (medoids, known): (Vec<u32>, Vec<f32>) = match &self.state {
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
        let (labels, loss) = assign::assign(&self.space, pool, core, &medoids, &known);
        by_size(&medoids, labels, loss)
    }
}

/// Candidates whose lists must fit into memory at least: fewer at a time would take forever.
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

fn check(pool: &dyn Rows, core: &dyn Rows, count: usize) -> Result<()> {
    if pool.is_empty() {
        return Err(Error::EmptyPool);
    }
    if pool.dim() == 0 {
        return Err(Error::Parameter { name: "the pool", expected: "rows of at least one feature", given: "0".into() });
    }
    if core.dim() != pool.dim() {
        return Err(Error::Dimension { what: "the core", expected: pool.dim(), given: core.dim() });
    }
    if count == 0 {
        return Err(Error::Parameter { name: "n_to_select", expected: "at least 1", given: "0".into() });
    }
    if count > pool.len() {
        return Err(Error::TooMany { asked: count, available: pool.len() });
    }
    if u32::try_from(pool.len().saturating_add(core.len())).map_or(true, |len| len == u32::MAX) {
        return Err(Error::Shape(format!(
            "k-medoids takes up to {} rows of pool and core, given {} and {}",
            u32::MAX - 1,
            pool.len(),
            core.len()
        )));
    }
    Ok(())
}

fn affordable(needed: usize, allowed: usize) -> Result<()> {
    match needed <= allowed {
        true => Ok(()),
        false => Err(Error::Memory {
            what: "k-medoids",
            needed,
            allowed,
            advice: "raise max_memory, or thin the pool out with RandomSelector or FPS before",
        }),
    }
}
