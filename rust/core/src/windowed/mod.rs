//! Greedy selection from rows outside memory, with the picks of the selection in memory.
//!
//! Scores never rise, so earlier scores are upper bounds. The window holds the rows with the largest bounds. A
//! selection in memory picks from the window until its best score is no longer above the largest bound outside. Then
//! the picks lower the bounds outside, and the next window is filled.

mod bounded;
mod by_distance;
mod by_variance;
mod candidates;
mod criterion;
mod distances;
mod rounded_file;
mod sizes;
#[cfg(test)]
mod tests;
mod variances;
mod windows;

pub use bounded::BoundedRows;
pub use sizes::Sizes;
pub use windows::{Known, News, Window, Windows};

use by_distance::ByDistance;
use by_variance::ByVariance;
use criterion::{Candidate, Criterion};

use crate::bayes::posterior::Posterior;
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::{Pool, Rows};
use crate::data::scaling::standard_scales;
use crate::distance::{Distance, Metric, Scale};
use crate::error::{Error, Result};
use crate::greedy::{Open, Reading, Selection, near_tie_limit};
use crate::scores::BayesianScore;

/// A window with fewer picks than one for this number of rows is followed by a larger window.
const ROWS_PER_PICK: usize = 400;

/// A greedy selection from a pool that need not fit into memory; its methods are those of [`Selection`].
///
/// Rows on disk are a [`View`](crate::View) after [`in_file`](crate::View::in_file), or [`Parts`](crate::Parts) of
/// several such views.
///
/// ```
/// use mlipselect_core::{BayesianScore, Pool, Posterior, Selection, View, Windowed};
///
/// let rows = [1.0, 0.0, 0.0, 2.0, 1.0, 0.1];
/// let pool = Pool::new(View::new(&rows, 3, 2)?);
/// let prior = Posterior::isotropic(2, 1.0, 1.0)?;
/// let mut selection = Windowed::bayesian(&pool, prior, BayesianScore::Energy, 1 << 30)?;
/// selection.advance(&pool, 2)?;
/// assert_eq!(selection.indices(), [1, 2]);
/// # Ok::<(), mlipselect_core::Error>(())
/// ```
pub struct Windowed {
    criterion: Box<dyn Criterion>,
    windows: Box<dyn Windows>,
    survey: Survey,
    /// Number of rows of the next window, and of the largest window that fits into memory.
    size: usize,
    largest: usize,
    window: Option<OpenWindow>,
    /// An upper bound of the scores outside the window.
    outside: f64,
    open: Open,
    /// Rows of the picks, in order.
    picked: OwnedRows,
    indices: Vec<usize>,
    scores: Vec<f64>,
    information: Vec<f64>,
    count: usize,
}

/// The state of the pass that finds the bounds of all rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Survey {
    /// There are no bounds, or a pick outside a window made them void.
    Due,
    /// Some rows have bounds.
    Begun,
    /// All rows have bounds, which do not account for the picks in the window.
    Done,
}

/// A window in which a selection runs.
struct OpenWindow {
    selection: Box<dyn Selection>,
    /// The indices of its candidates, ascending, and their rows.
    members: Vec<usize>,
    rows: OwnedRows,
}

impl OpenWindow {
    /// The best candidate in the window.
    fn propose(&mut self) -> Result<Option<Candidate>> {
        let proposed = self.selection.propose(&Pool::new(&self.rows))?;
        Ok(proposed.map(|(place, score)| {
            let mut row = vec![0.0; self.rows.dim()];
            self.rows.read(place, &mut row);
            Candidate { index: self.members[place], row, proposed: Some(score) }
        }))
    }
}

impl Windowed {
    /// Bayesian selection with the score `Energy` or `LogDet`, given the posterior after the training set, in about
    /// `max_memory` bytes.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::Dimension`], [`Error::Parameter`] for another score, [`Error::Memory`] if
    /// `max_memory` is too small.
    pub fn bayesian(pool: &Pool<'_>, posterior: Posterior, score: BayesianScore, max_memory: usize) -> Result<Self> {
        let sizes = Sizes::of_variances(pool.structures(), max_memory)?;
        let windows = BoundedRows::variances(pool.structures(), sizes.block);
        Self::bayesian_with(pool, posterior, score, Box::new(windows), sizes)
    }

    /// As [`Windowed::bayesian`], with another source of windows, whose bounds are those of variances.
    ///
    /// # Errors
    /// As [`Windowed::bayesian`].
    pub fn bayesian_with(
        pool: &Pool<'_>,
        posterior: Posterior,
        score: BayesianScore,
        windows: Box<dyn Windows>,
        sizes: Sizes,
    ) -> Result<Self> {
        Self::new(pool, posterior.dim(), Box::new(ByVariance::new(posterior, score)?), windows, sizes)
    }

    /// Farthest point sampling, in about `max_memory` bytes. Without a core, the first pick is the candidate
    /// `initialize` or, by default, the one farthest from the mean.
    ///
    /// # Errors
    /// [`Error::EmptyPool`], [`Error::NotFinite`] with the first row that is not finite, [`Error::Memory`] if
    /// `max_memory` is too small, [`Error::Shape`] if `initialize` is not in the pool or is given beside a core.
    pub fn fps(pool: &Pool<'_>, distance: Distance, initialize: Option<usize>, max_memory: usize) -> Result<Self> {
        let sizes = Sizes::of_distances(pool.structures(), max_memory)?;
        let factors = match distance.scale {
            Scale::None => None,
            Scale::Standard => {
                let mut matrices = vec![("the pool", pool.structures())];
                matrices.extend(Some(("the core", pool.core())).filter(|(_, core)| !core.is_empty()));
                Some(standard_scales(&matrices)?)
            }
        };
        let windows = BoundedRows::distances(pool.structures(), sizes.block, distance.metric, factors.clone());
        Self::fps_with(pool, distance.metric, factors, initialize, Box::new(windows), sizes)
    }

    /// As [`Windowed::fps`], with another source of windows, whose bounds are those of distances between rows. Columns
    /// are multiplied by `factors`, if given.
    ///
    /// # Errors
    /// As [`Windowed::fps`], and [`Error::Dimension`] unless there is one factor for each feature.
    pub fn fps_with(
        pool: &Pool<'_>,
        metric: Metric,
        factors: Option<Vec<f64>>,
        initialize: Option<usize>,
        windows: Box<dyn Windows>,
        sizes: Sizes,
    ) -> Result<Self> {
        let criterion = ByDistance::new(pool, metric, factors, initialize)?;
        Self::new(pool, pool.dim(), Box::new(criterion), windows, sizes)
    }

    fn new(
        pool: &Pool<'_>,
        dim: usize,
        criterion: Box<dyn Criterion>,
        windows: Box<dyn Windows>,
        sizes: Sizes,
    ) -> Result<Self> {
        pool.check(dim)?;
        Ok(Self {
            criterion,
            windows,
            survey: Survey::Due,
            size: sizes.window.max(1),
            largest: sizes.largest,
            window: None,
            outside: f64::INFINITY,
            open: Open::new(pool.len()),
            picked: OwnedRows::none_of(pool.structures()),
            indices: Vec::new(),
            scores: Vec::new(),
            information: Vec::new(),
            count: 0,
        })
    }

    /// The first pick, if nothing is picked yet and it is not chosen by its score.
    fn first(&mut self, pool: &Pool<'_>) -> Result<Option<usize>> {
        match self.indices.is_empty() {
            true => self.criterion.first(pool, &|candidate| !self.open.taken()[candidate]),
            false => Ok(None),
        }
    }

    /// The best of the open candidates.
    fn best(&mut self, pool: &Pool<'_>) -> Result<Option<Candidate>> {
        if let Some(first) = self.first(pool)? {
            return Ok(Some(from_pool(pool, first)));
        }
        let mut tries = 0;
        loop {
            let found = match &mut self.window {
                Some(window) => window.propose()?,
                None => None,
            };
            let score = found.as_ref().and_then(|found| found.proposed);
            let is_above = |score| near_tie_limit(self.criterion.bound(score)) > self.outside;
            if self.outside == f64::NEG_INFINITY || score.is_some_and(is_above) {
                return Ok(found);
            }
            // More rows nearly tie with the best than fit into the window.
            if tries > 1 {
                if self.size >= self.largest {
                    return Err(Error::Ties { rows: self.size });
                }
                self.size = self.largest.min(2 * self.size);
            }
            // If bounds outside are above all scores in the window, rounding may have raised them.
            self.next_window(pool, tries > 0)?;
            tries += 1;
        }
    }

    fn next_window(&mut self, pool: &Pool<'_>, sharp: bool) -> Result<()> {
        while self.prepare(pool)? {}
        if let Some(window) = self.window.take().filter(|window| !window.selection.indices().is_empty()) {
            // The cost of a new window is worth several picks.
            if window.selection.indices().len() < window.members.len() / ROWS_PER_PICK {
                self.size = self.largest.min(2 * self.size);
            }
            self.windows.observe(&self.criterion.news(&*window.selection, &self.picked))?;
        }
        // Scores outside have no bound until the next window is there.
        self.outside = f64::INFINITY;
        let Window { members, rows, bounds, outside } = self.windows.window(pool.structures(), self.size, sharp)?;
        self.count += 1;
        self.outside = outside;
        if !members.is_empty() {
            let selection = self.criterion.begin(&Pool::new(&rows), &bounds)?;
            self.window = Some(OpenWindow { selection, members, rows });
        }
        Ok(())
    }

    /// Record a pick with its score.
    fn take(&mut self, pick: &Candidate, score: f64) {
        self.picked.push(&pick.row);
        self.criterion.observe(&pick.row);
        self.open.take(pick.index);
        self.windows.exclude(&[pick.index]);
        self.indices.push(pick.index);
        self.scores.push(score);
        self.information.extend(self.criterion.information());
    }

    /// Discard window and bounds after a pick outside a window: the source of windows only learns of picks in windows.
    fn begin_anew(&mut self) {
        self.window = None;
        self.outside = f64::INFINITY;
        self.survey = Survey::Due;
    }

    fn check(&self, pool: &Pool<'_>, count: usize) -> Result<()> {
        if pool.len() != self.open.candidates() || pool.dim() != self.picked.dim() {
            return Err(Error::Shape(format!(
                "the selection began with {} candidates of {} features, given {} of {}",
                self.open.candidates(),
                self.picked.dim(),
                pool.len(),
                pool.dim()
            )));
        }
        self.open.check_count(count)
    }
}

fn from_pool(pool: &Pool<'_>, index: usize) -> Candidate {
    let mut row = vec![0.0; pool.dim()];
    pool.structures().read(index, &mut row);
    pool.structures().release(index..index + 1);
    Candidate { index, row, proposed: None }
}

impl Selection for Windowed {
    fn prepare(&mut self, pool: &Pool<'_>) -> Result<bool> {
        self.check(pool, 0)?;
        if self.first(pool)?.is_some() {
            return Ok(false);
        }
        if self.survey == Survey::Due {
            self.windows.survey(&self.criterion.known(pool, &self.picked))?;
            self.survey = Survey::Begun;
        } else if self.survey == Survey::Begun && !self.windows.go_on(pool.structures())? {
            self.survey = Survey::Done;
        }
        Ok(self.survey != Survey::Done)
    }

    fn propose(&mut self, pool: &Pool<'_>) -> Result<Option<(usize, f64)>> {
        self.check(pool, 0)?;
        match self.best(pool)? {
            Some(best) => Ok(Some((best.index, self.criterion.score(pool, &self.picked, &best)?))),
            None => Ok(None),
        }
    }

    fn advance(&mut self, pool: &Pool<'_>, count: usize) -> Result<()> {
        self.check(pool, count)?;
        for _ in 0..count {
            let Some(best) = self.best(pool)? else { break };
            let score = self.criterion.score(pool, &self.picked, &best)?;
            match &mut self.window {
                Some(window) => window.selection.advance(&Pool::new(&window.rows), 1)?,
                None => self.begin_anew(),
            }
            self.take(&best, score);
        }
        Ok(())
    }

    fn accept(&mut self, pool: &Pool<'_>, candidate: usize) -> Result<()> {
        self.check(pool, 0)?;
        self.open.check(candidate)?;
        let pick = from_pool(pool, candidate);
        let score = self.criterion.score(pool, &self.picked, &pick)?;
        self.begin_anew();
        self.take(&pick, score);
        Ok(())
    }

    fn exclude(&mut self, candidates: &[usize]) -> Result<()> {
        if let Some(start) = self.criterion.given_start().filter(|start| candidates.contains(start)) {
            return Err(Error::Shape(format!("candidate {start} cannot be excluded: the selection begins with it")));
        }
        self.open.exclude(candidates)?;
        self.windows.exclude(candidates);
        let Some(window) = &mut self.window else { return Ok(()) };
        let places = candidates.iter().filter_map(|candidate| window.members.binary_search(candidate).ok());
        window.selection.exclude(&places.collect::<Vec<usize>>())
    }

    fn remaining(&self) -> usize {
        self.open.remaining()
    }

    fn indices(&self) -> &[usize] {
        &self.indices
    }

    fn scores(&self) -> &[f64] {
        &self.scores
    }

    fn information(&self) -> Option<&[f64]> {
        self.criterion.information().map(|_| &*self.information)
    }

    fn posterior(&self) -> Option<Posterior> {
        self.criterion.posterior()
    }

    fn reading(&self) -> Option<Reading> {
        Some(Reading { windows: self.count, rows_read: self.windows.rows_read() })
    }
}
