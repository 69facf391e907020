//! The distance of every candidate to its nearest centre, or an upper bound that is low enough.
//!
//! The distance never rises as centres are added, so an earlier one is an upper bound. To lower a bound, the centres
//! that the candidate has not seen are examined. The triangle inequality rules out most of them; distances between
//! rounded points lower the bound. If it is still too high, the distance is measured in float64.

use std::ops::Range;

use rayon::prelude::*;

use super::centres::{Centres, Source};
use super::points::Space;
use super::rounded::{Bounds, Rounded};
use crate::data::rows::Rows;
use crate::error::{Error, Result};
use crate::linalg::DIRECTIONS;

/// Number of candidates that one thread takes at a time.
const CHUNK: usize = 48;
/// No centre.
const NONE: u32 = u32::MAX;

pub(crate) struct Nearest {
    space: Space,
    rounded: Rounded,
    centres: Centres,
    bounds: Vec<f64>,
    known: Vec<Known>,
}

/// The nearest centre of a candidate, as far as it is known.
#[derive(Clone, Copy)]
struct Known {
    /// Lower bound on the distances to the examined centres other than `nearest` that the triangle inequality left.
    rest: f64,
    /// The centre from which the bound comes.
    nearest: u32,
    /// Number of centres examined.
    applied: u32,
    /// Whether the bound is the distance to `nearest` in float64.
    measured: bool,
}

/// What is kept of a candidate whose point is not in memory: its bound, and what is known of its nearest centre.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// The rest of [`Known`], rounded down.
    rest: f32,
    nearest: u32,
    applied: u32,
    /// Whether the bound is the distance to the nearest of the examined centres.
    is_exact: bool,
}

impl Seen {
    /// No centre has been examined.
    pub(crate) const NOTHING: Self = Self { rest: f32::INFINITY, nearest: NONE, applied: 0, is_exact: true };

    /// Whether the bound is the distance to the nearest of so many centres.
    pub(crate) fn is_distance(&self, centres: usize) -> bool {
        self.is_exact && self.applied as usize == centres
    }

    fn known(&self, bound: f64) -> Known {
        let Self { rest, nearest, applied, is_exact } = *self;
        // Where the bound is the distance to the nearest, no other examined centre is nearer.
        Known { rest: if is_exact { bound } else { f64::from(rest) }, nearest, applied, measured: is_exact }
    }
}

/// A candidate whose bound is being lowered.
#[derive(Clone, Copy)]
struct Candidate {
    index: usize,
    bound: f64,
    known: Known,
}

impl Candidate {
    /// Whether the bound is the distance to the nearest of the examined centres.
    fn is_settled(&self) -> bool {
        self.known.measured && (self.known.rest >= self.bound || self.bound == 0.0)
    }
}

impl Nearest {
    /// Begin with candidates that have examined no centre.
    pub(crate) fn new(space: Space, pool: Rounded, core: Rounded) -> Self {
        let known = Known { rest: f64::INFINITY, nearest: NONE, applied: 0, measured: false };
        let (bounds, known) = (vec![f64::INFINITY; pool.len()], vec![known; pool.len()]);
        Self { space, rounded: pool, centres: Centres::new(core), bounds, known }
    }

    /// Begin with known distances to centres that are not stored here.
    pub(crate) fn with_distances(space: Space, pool: Rounded, none: Rounded, distances: Vec<f64>) -> Self {
        let known = Known { rest: f64::INFINITY, nearest: NONE, applied: 0, measured: true };
        let known = vec![known; pool.len()];
        Self { space, rounded: pool, centres: Centres::new(none), bounds: distances, known }
    }

    /// Go on with centres and candidates of which some are known, as [`Nearest::suspended`] returned them.
    pub(crate) fn resumed(
        space: Space,
        pool: Rounded,
        centres: Centres,
        candidates: impl Iterator<Item = (f64, Seen)>,
    ) -> Self {
        let (bounds, known) = candidates.map(|(bound, seen)| (bound, seen.known(bound))).unzip();
        Self { space, rounded: pool, centres, bounds, known }
    }

    /// The centres, and what is known of each candidate.
    pub(crate) fn suspended(self) -> (Centres, Vec<(f64, Seen)>) {
        let seen = |index: usize| {
            let candidate = self.candidate(index);
            let Known { rest, nearest, applied, .. } = candidate.known;
            let is_exact = candidate.is_settled() || nearest == NONE;
            (candidate.bound, Seen { rest: (rest as f32).next_down(), nearest, applied, is_exact })
        };
        let candidates = (0..self.bounds.len()).map(seen).collect();
        (self.centres, candidates)
    }

    /// Bytes beside those of the points.
    pub(crate) fn bytes(pool: usize, core: usize) -> usize {
        pool * (size_of::<Known>() + size_of::<f64>() + size_of::<Candidate>()) + Centres::bytes(core)
    }

    /// Give back what memory holds of points of the pool that are in a file.
    pub(crate) fn release(&self, points: Range<usize>) {
        self.rounded.release(points);
    }

    /// The space, the points of the pool, and the bounds.
    pub(crate) fn into_parts(self) -> (Space, Rounded, Vec<f64>) {
        (self.space, self.rounded, self.bounds)
    }

    pub(crate) fn space(&self) -> &Space {
        &self.space
    }

    /// Refuse a core that differs in size from the one at the beginning.
    pub(crate) fn check_core(&self, core: &dyn Rows) -> Result<()> {
        match core.len() == self.centres.core() {
            true => Ok(()),
            false => Err(Error::Shape(format!(
                "the selection began with a core of {} rows, given {}",
                self.centres.core(),
                core.len()
            ))),
        }
    }

    /// An upper bound of the distance of each candidate.
    pub(crate) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Whether the bound of a candidate is its exact distance.
    pub(crate) fn is_exact(&self, candidate: usize) -> bool {
        let candidate = self.candidate(candidate);
        candidate.is_settled() && (candidate.known.applied as usize == self.centres.len() || candidate.bound == 0.0)
    }

    /// Make a candidate a centre.
    pub(crate) fn observe(&mut self, candidate: usize) {
        self.centres.push(&self.rounded, candidate);
    }

    /// Lower the bounds of candidates until each is its distance, or below `threshold`.
    pub(crate) fn tighten(&mut self, pool: &dyn Rows, core: &dyn Rows, candidates: &[usize], threshold: f64) {
        let mut left: Vec<Candidate> = candidates.iter().map(|&i| self.candidate(i)).collect();
        left.par_chunks_mut(CHUNK).for_each(|chunk| {
            for k in 0..chunk.len() {
                if let Some(next) = chunk.get(k + 1) {
                    self.rounded.prefetch(next.index);
                }
                self.follow(&mut chunk[k], threshold);
            }
        });
        self.write(&left);
        left.retain(|candidate| candidate.bound >= threshold && !candidate.is_settled());
        left.par_chunks_mut(CHUNK).for_each_init(
            || Ruler::new(&self.space, pool, core),
            |ruler, chunk| chunk.iter_mut().for_each(|candidate| self.measure(candidate, ruler)),
        );
        self.write(&left);
    }

    /// Every candidate's distance to its nearest centre, each computed in float64.
    pub(crate) fn definition(&self, pool: &dyn Rows, core: &dyn Rows) -> Vec<f64> {
        let dim = self.space.dim();
        let mut centres = vec![0.0; self.centres.len() * dim];
        let ruler = Ruler::new(&self.space, pool, core);
        for (centre, point) in centres.chunks_exact_mut(dim).enumerate() {
            ruler.read(self.centres.source(centre), point);
        }
        (0..self.rounded.len())
            .into_par_iter()
            .map_init(
                || vec![0.0; dim],
                |point, candidate| {
                    self.space.points(pool).read(candidate, point);
                    let distances = centres.chunks_exact(dim).map(|centre| self.space.between(point, centre));
                    distances.fold(f64::INFINITY, f64::min)
                },
            )
            .collect()
    }

    fn candidate(&self, index: usize) -> Candidate {
        Candidate { index, bound: self.bounds[index], known: self.known[index] }
    }

    fn write(&mut self, candidates: &[Candidate]) {
        for candidate in candidates {
            self.bounds[candidate.index] = candidate.bound;
            self.known[candidate.index] = candidate.known;
        }
    }

    /// Examine centres that the candidate has not seen, until its bound is below `threshold`.
    fn follow(&self, candidate: &mut Candidate, threshold: f64) {
        let count = self.centres.len();
        while candidate.bound >= threshold && (candidate.known.applied as usize) < count {
            let known = &mut candidate.known;
            let (mut near, mut found) = ([0; DIRECTIONS], 0);
            while found < DIRECTIONS {
                let next = self.centres.next_near(known.nearest as usize, known.applied as usize, candidate.bound);
                if next == count {
                    known.applied = count as u32;
                    break;
                }
                near[found] = next;
                found += 1;
                known.applied = next as u32 + 1;
            }
            if found == 0 {
                break;
            }
            let last = near[found - 1];
            near[found..].fill(last);
            let bounds = self.rounded.between(candidate.index, self.centres.rounded(), near);
            for (&centre, bounds) in near.iter().zip(bounds).take(found) {
                self.account(candidate, centre, bounds);
            }
        }
    }

    /// Update the bound for one more centre.
    fn account(&self, candidate: &mut Candidate, centre: usize, bounds: Bounds) {
        let known = &mut candidate.known;
        if bounds.upper < candidate.bound {
            if known.nearest != NONE {
                let width = self.rounded.width(candidate.index, self.centres.rounded(), known.nearest as usize);
                known.rest = known.rest.min(candidate.bound - width);
            }
            known.nearest = centre as u32;
            known.measured = false;
            candidate.bound = bounds.upper;
        } else {
            known.rest = known.rest.min(bounds.lower);
        }
    }

    /// Replace the bound by the distance to the nearest of the examined centres.
    fn measure(&self, candidate: &mut Candidate, ruler: &mut Ruler<'_>) {
        ruler.stand_at(candidate.index);
        let known = &mut candidate.known;
        if !known.measured && known.nearest != NONE {
            candidate.bound = ruler.distance(self.centres.source(known.nearest as usize));
            known.measured = true;
        }
        if known.rest < candidate.bound {
            self.search(candidate, ruler);
        }
    }

    /// Measure the distance to every examined centre that may be nearer than the nearest so far.
    fn search(&self, candidate: &mut Candidate, ruler: &mut Ruler<'_>) {
        let Candidate { index, ref mut bound, ref mut known } = *candidate;
        let applied = known.applied as usize;
        let (first, mut rest) = (known.nearest, f64::INFINITY);
        for start in (0..applied).step_by(DIRECTIONS) {
            let which = std::array::from_fn(|k| (start + k).min(applied - 1));
            let bounds = self.rounded.between(index, self.centres.rounded(), which);
            for (centre, bounds) in (start..applied).zip(bounds) {
                if centre as u32 == first {
                    continue;
                }
                let distance = match bounds.lower < *bound {
                    true => ruler.distance(self.centres.source(centre)),
                    false => bounds.lower,
                };
                if distance < *bound {
                    rest = rest.min(*bound);
                    *bound = distance;
                    known.nearest = centre as u32;
                } else {
                    rest = rest.min(distance);
                }
            }
        }
        known.rest = rest;
        known.measured = true;
    }
}

/// Measures distances from a candidate to centres in float64.
struct Ruler<'a> {
    space: &'a Space,
    pool: &'a dyn Rows,
    core: &'a dyn Rows,
    point: Vec<f64>,
    centre: Vec<f64>,
    /// The last centre that was read.
    last: Option<Source>,
}

impl<'a> Ruler<'a> {
    fn new(space: &'a Space, pool: &'a dyn Rows, core: &'a dyn Rows) -> Self {
        let point = vec![0.0; space.dim()];
        Self { space, pool, core, centre: point.clone(), point, last: None }
    }

    fn read(&self, source: Source, out: &mut [f64]) {
        match source {
            Source::Core(row) => self.space.points(self.core).read(row, out),
            Source::Pool(row) => self.space.points(self.pool).read(row, out),
        }
    }

    fn stand_at(&mut self, candidate: usize) {
        self.space.points(self.pool).read(candidate, &mut self.point);
    }

    fn distance(&mut self, source: Source) -> f64 {
        if self.last != Some(source) {
            let mut centre = std::mem::take(&mut self.centre);
            self.read(source, &mut centre);
            (self.centre, self.last) = (centre, Some(source));
        }
        self.space.between(&self.point, &self.centre)
    }
}
