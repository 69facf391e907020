//! Bounds of the distance of each row to its nearest centre, as lengths between points of the metric.
//!
//! Of each row the nearest centre so far is kept, too, by which the triangle inequality rules out most of the others.

use std::ops::Range;

use super::bounded::Bounds;
use super::candidates::{Candidates, Limit, largest};
use super::windows::{Known, News};
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::Rows;
use crate::data::spans::Span;
use crate::distance::{Centres, Metric, Nearest, Rounded, Seen, Space, mean};
use crate::error::{Error, Result};

/// Approximate number of centres, spread over all, that are examined first: few of many lower most bounds enough.
const FIRST_CENTRES: usize = 64;
/// Number of rows of the first block by which the survey guesses the distance that its rows must reach.
const SAMPLE: usize = 512;

pub(super) struct DistanceBounds {
    metric: Metric,
    factors: Option<Vec<f64>>,
    /// All centres, in the order in which they are examined.
    rows: OwnedRows,
    /// The first of `rows`, rounded; none before the survey.
    centres: Option<Rounding>,
    /// The survey finds so many distances, the largest.
    found: usize,
    /// The distance that a row must reach to be found in the survey.
    limit: Limit,
    /// What is known of each row, with its bound.
    seen: Vec<Seen>,
}

/// Rounded centres, and the origin around which they and all rows are rounded.
struct Rounding {
    origin: Vec<f64>,
    centres: Centres,
}

impl DistanceBounds {
    pub(super) fn new(metric: Metric, factors: Option<Vec<f64>>, found: usize) -> Self {
        Self {
            metric,
            factors,
            rows: OwnedRows::none_wide(1),
            centres: None,
            found,
            limit: Limit::new(found, f64::NEG_INFINITY),
            seen: Vec::new(),
        }
    }

    fn is_stale(&self, candidate: usize) -> bool {
        !self.seen[candidate].is_distance(self.rows.len())
    }

    /// Lower the bounds of candidates, whose rows are given, until each is the distance to the nearest centre, or below a
    /// limit.
    fn tighten(
        &mut self,
        rows: &dyn Rows,
        which: &[usize],
        bounds: impl Iterator<Item = f64>,
        limit: f64,
    ) -> Result<Vec<f64>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if self.rows.dim() != rows.dim() {
            return Err(Error::Dimension { what: "the centres", expected: rows.dim(), given: self.rows.dim() });
        }
        let space = Space::with_factors(self.metric, self.factors.as_deref(), rows.dim())?;
        let origin = match &self.centres {
            Some(rounding) => rounding.origin.clone(),
            None => mean("the rows", space.points(rows))?,
        };
        let (rounded, _) = Rounded::new("the rows", space.points(rows), &origin)?;
        let known = self.centres.as_ref().map_or(0, |rounding| rounding.centres.len());
        let news = Span::new(&self.rows, &(known..self.rows.len()));
        let (more, _) = Rounded::new("the centres", space.points(&news), &origin)?;
        // Nothing fails from here on, so the centres that are taken come back.
        let centres = match self.centres.take() {
            Some(Rounding { mut centres, .. }) => {
                centres.append(&more);
                centres
            }
            None => Centres::new(more),
        };
        let seen = bounds.zip(which.iter().map(|&i| self.seen[i]));
        let mut nearest = Nearest::resumed(space, rounded, centres, seen);
        nearest.tighten(rows, &self.rows, &(0..which.len()).collect::<Vec<_>>(), limit);
        let (centres, lowered) = nearest.suspended();
        self.centres = Some(Rounding { origin, centres });
        let keep = |(&candidate, (bound, seen)): (&usize, _)| {
            self.seen[candidate] = seen;
            bound
        };
        Ok(which.iter().zip(lowered).map(keep).collect())
    }

    /// Find the distances of some rows of the first block, and a limit that twice as many rows as are wanted may reach.
    fn sample(&mut self, candidates: &Candidates, rows: &dyn Rows, block: &Range<usize>, bounds: &mut [f64]) {
        let which: Vec<usize> = block.clone().step_by(block.len().div_ceil(SAMPLE)).collect();
        let unknown = which.iter().map(|&i| bounds[i - block.start]);
        // A row that has no distance is named when the whole block is measured.
        let sampled = self.tighten(&OwnedRows::copied(rows, &which), &which, unknown, f64::NEG_INFINITY);
        let Ok(mut distances) = sampled else { return };
        which.iter().zip(&distances).for_each(|(&i, &distance)| bounds[i - block.start] = distance);
        let rank = 2 * self.found * distances.len() / candidates.len();
        if let Some(last) = distances.len().checked_sub(rank + 1) {
            let (_, &mut limit, _) = distances.select_nth_unstable_by(last, f64::total_cmp);
            self.limit = Limit::new(self.found, limit);
        }
    }

    fn lower_rows(&mut self, candidates: &mut Candidates, rows: &dyn Rows, which: &[usize], limit: f64) -> Result<()> {
        candidates.rows_read += which.len();
        let read = candidates.read(rows, which);
        let bounds = which.iter().map(|&i| candidates.bounds[i]);
        let lowered = self.tighten(&read, which, bounds, limit)?;
        which.iter().zip(lowered).for_each(|(&i, bound)| candidates.bounds[i] = bound);
        Ok(())
    }
}

impl Bounds for DistanceBounds {
    fn begin(&mut self, candidates: &Candidates, known: &Known) -> Result<()> {
        let Known::Centres(centres) = known else {
            return Err(Error::Shape("distances follow from centres, not from a posterior".into()));
        };
        let step = (centres.len() / FIRST_CENTRES).max(1);
        let (first, others): (Vec<usize>, Vec<usize>) = (0..centres.len()).partition(|centre| centre % step == 0);
        self.rows = OwnedRows::none_wide(centres.dim());
        self.rows.append(centres, &first);
        self.rows.append(centres, &others);
        self.centres = None;
        self.limit = Limit::new(self.found, f64::NEG_INFINITY);
        self.seen = vec![Seen::NOTHING; candidates.len()];
        Ok(())
    }

    fn observe(&mut self, news: &News) -> Result<()> {
        let News::Centres(centres) = news else {
            return Err(Error::Shape("distances fall by centres, not along directions".into()));
        };
        self.rows.append(centres, &(0..centres.len()).collect::<Vec<_>>());
        Ok(())
    }

    fn scores(&mut self, candidates: &Candidates, rows: &dyn Rows, block: usize) -> Result<Vec<f64>> {
        let range = candidates.range(block);
        let which: Vec<usize> = range.clone().collect();
        let mut bounds = candidates.bounds[range.clone()].to_vec();
        if self.centres.is_none() {
            self.sample(candidates, rows, &range, &mut bounds);
        }
        let scores = self.tighten(&Span::new(rows, &range), &which, bounds.into_iter(), self.limit.value());
        let scores = scores.map_err(|error| error.in_pool_from(range.start))?;
        let open = range.zip(&scores).filter(|&(i, _)| candidates.is_open(i));
        self.limit.raise(open.map(|(_, &score)| score));
        Ok(scores)
    }

    fn guess(&mut self, candidates: &mut Candidates, rows: &dyn Rows, size: usize, _sharp: bool) -> Result<f64> {
        // The rows with the largest bounds, measured exactly, give a limit that soon rules out nearly all others.
        let which = largest(&candidates.open_bounds(), size);
        let stale: Vec<usize> = which.iter().copied().filter(|&i| self.is_stale(i)).collect();
        self.lower_rows(candidates, rows, &stale, f64::NEG_INFINITY)?;
        let mut bounds: Vec<f64> = which.iter().map(|&i| candidates.bounds[i]).collect();
        let middle = bounds.len() / 2;
        Ok(*bounds.select_nth_unstable_by(middle, f64::total_cmp).1)
    }

    fn lower(
        &mut self,
        candidates: &mut Candidates,
        rows: &dyn Rows,
        block: usize,
        limit: f64,
        _sharp: bool,
    ) -> Result<()> {
        let is_wanted = |&i: &usize| candidates.bounds[i] >= limit && self.is_stale(i) && candidates.is_open(i);
        let which: Vec<usize> = candidates.range(block).filter(is_wanted).collect();
        self.lower_rows(candidates, rows, &which, limit)
    }
}
