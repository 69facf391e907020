//! Farthest point sampling with windows.

use rayon::prelude::*;

use super::criterion::{Candidate, Criterion};
use super::windows::{Known, News};
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::{Pool, Rows, View};
use crate::distance::{Metric, Space, lengths_from, mean};
use crate::error::{Error, Result};
use crate::greedy::{Engine, Selection, first_largest};
use crate::methods::fps::Fps;

pub(super) struct ByDistance {
    space: Space,
    metric: Metric,
    factors: Option<Vec<f64>>,
    start: Start,
}

/// How the next pick is found while there is none, and afterwards.
enum Start {
    /// By the distance to core and picks.
    Core,
    /// It is a given candidate.
    Candidate(usize),
    /// It is the candidate farthest from the mean of the pool; the distances are kept once they are known.
    Mean(Option<Vec<f64>>),
}

impl ByDistance {
    /// # Errors
    /// [`Error::Dimension`] unless there is one factor for each feature, [`Error::Shape`] if `initialize` is not in the
    /// pool or is given beside a core.
    pub(super) fn new(
        pool: &Pool<'_>,
        metric: Metric,
        factors: Option<Vec<f64>>,
        initialize: Option<usize>,
    ) -> Result<Self> {
        let start = match initialize {
            Some(_) if !pool.core().is_empty() => {
                return Err(Error::Shape("a core is where the selection begins: leave initialize out".into()));
            }
            Some(start) if start >= pool.len() => {
                return Err(Error::Shape(format!(
                    "initialize must be a candidate: the pool has {} candidates, given {start}",
                    pool.len()
                )));
            }
            Some(start) => Start::Candidate(start),
            None if pool.core().is_empty() => Start::Mean(None),
            None => Start::Core,
        };
        let space = Space::with_factors(metric, factors.as_deref(), pool.dim())?;
        Ok(Self { space, metric, factors, start })
    }

    /// The distance of a point to the nearest of some rows.
    fn nearest(&self, point: &[f64], rows: &dyn Rows) -> f64 {
        let points = self.space.points(rows);
        let distance = |centre: &mut Vec<f64>, index| {
            points.read(index, centre);
            self.space.between(point, centre)
        };
        let distances = (0..rows.len()).into_par_iter().map_init(|| vec![0.0; point.len()], distance);
        distances.reduce(|| f64::INFINITY, f64::min)
    }
}

impl Criterion for ByDistance {
    fn first(&mut self, pool: &Pool<'_>, is_open: &dyn Fn(usize) -> bool) -> Result<Option<usize>> {
        match &mut self.start {
            Start::Core => Ok(None),
            Start::Candidate(start) => Ok(Some(*start)),
            Start::Mean(lengths) => {
                if lengths.is_none() {
                    let points = self.space.points(pool.structures());
                    *lengths = Some(lengths_from(&mean("the pool", points)?, "the pool", points)?);
                }
                Ok(lengths.as_deref().and_then(|lengths| first_largest(lengths, is_open)))
            }
        }
    }

    fn given_start(&self) -> Option<usize> {
        match self.start {
            Start::Candidate(start) => Some(start),
            _ => None,
        }
    }

    fn begin(&self, window: &Pool<'_>, bounds: &[f64]) -> Result<Box<dyn Selection>> {
        // Bounds of members of a window account for all centres, so they are distances.
        let lengths = bounds.to_vec();
        Ok(Box::new(Fps::with_lengths(window, self.metric, self.factors.as_deref(), lengths, Engine::Lazy)?))
    }

    fn bound(&self, score: f64) -> f64 {
        match self.metric {
            Metric::Euclidean => score,
            Metric::Cosine => (2.0 * score).sqrt(),
        }
    }

    fn score(&self, pool: &Pool<'_>, picked: &OwnedRows, candidate: &Candidate) -> Result<f64> {
        if let Some(score) = candidate.proposed {
            return Ok(score);
        }
        let own = View::adjacent(&candidate.row, pool.dim());
        let (points, mut point) = (self.space.points(&own), candidate.row.clone());
        points.read(0, &mut point);
        if !(points.is_usable(&point) && point.iter().all(|x| x.is_finite())) {
            return Err(points.problem("the pool", 0).in_pool_from(candidate.index));
        }
        let nearest = self.nearest(&point, pool.core()).min(self.nearest(&point, picked));
        Ok(self.space.reported(nearest))
    }

    fn observe(&mut self, _row: &[f64]) {
        self.start = Start::Core;
    }

    fn known(&self, pool: &Pool<'_>, picked: &OwnedRows) -> Known {
        let mut centres = OwnedRows::none_wide(pool.dim());
        for rows in [pool.core(), picked] {
            centres.append(rows, &(0..rows.len()).collect::<Vec<usize>>());
        }
        Known::Centres(centres)
    }

    fn news(&self, window: &dyn Selection, picked: &OwnedRows) -> News {
        let count = window.indices().len();
        let own: Vec<usize> = (picked.len() - count..picked.len()).collect();
        News::Centres(OwnedRows::copied(picked, &own))
    }
}
