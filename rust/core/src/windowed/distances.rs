//! Bounds of the distance of each row to its nearest centre, as lengths between points of the metric.

use super::bounded::Bounds;
use super::candidates::{Candidates, largest};
use super::windows::{Known, News};
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::{Parts, Rows};
use crate::data::spans::Span;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::methods::fps::nearest_lengths;

/// Approximate number of centres with which the survey compares every row: few of many rule most rows out.
const FIRST_CENTRES: usize = 64;

pub(super) struct DistanceBounds {
    metric: Metric,
    factors: Option<Vec<f64>>,
    /// The centres in batches, in the order in which these came.
    centres: Vec<OwnedRows>,
    /// Number of batches that each bound accounts for.
    applied: Vec<u32>,
}

impl DistanceBounds {
    pub(super) fn new(metric: Metric, factors: Option<Vec<f64>>) -> Self {
        Self { metric, factors, centres: Vec::new(), applied: Vec::new() }
    }

    fn lengths(&self, rows: &dyn Rows, centres: &[OwnedRows], threshold: f64) -> Result<Vec<f64>> {
        let centres = Parts::new(centres.iter().collect(), rows.dim())?;
        nearest_lengths(rows, &centres, self.metric, self.factors.as_deref(), threshold)
    }

    fn is_stale(&self, candidate: usize) -> bool {
        (self.applied[candidate] as usize) < self.centres.len()
    }

    fn lower_rows(&mut self, candidates: &mut Candidates, rows: &dyn Rows, which: &[usize], limit: f64) -> Result<()> {
        let Some(first) = which.iter().map(|&i| self.applied[i] as usize).min() else { return Ok(()) };
        candidates.rows_read += which.len();
        let lengths = self.lengths(&candidates.read(rows, which), &self.centres[first..], limit)?;
        for (&i, length) in which.iter().zip(lengths) {
            candidates.bounds[i] = candidates.bounds[i].min(length);
            // A bound below the limit need not account for all centres.
            if length >= limit {
                self.applied[i] = self.centres.len() as u32;
            }
        }
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
        self.centres = [first, others].iter().map(|some| OwnedRows::copied(centres, some)).collect();
        self.centres.retain(|some| !some.is_empty());
        self.applied = vec![0; candidates.len()];
        Ok(())
    }

    fn observe(&mut self, news: &News) -> Result<()> {
        let News::Centres(centres) = news else {
            return Err(Error::Shape("distances fall by centres, not along directions".into()));
        };
        self.centres.push(centres.clone());
        Ok(())
    }

    fn scores(&mut self, candidates: &Candidates, rows: &dyn Rows, block: usize) -> Result<Vec<f64>> {
        let range = candidates.range(block);
        let first = self.centres.len().min(1);
        let lengths = self.lengths(&Span::new(rows, &range), &self.centres[..first], f64::NEG_INFINITY);
        let lengths = lengths.map_err(|error| error.in_pool_from(range.start))?;
        self.applied[range].fill(first as u32);
        Ok(lengths)
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
