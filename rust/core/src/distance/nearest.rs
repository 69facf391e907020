//! The distance of every candidate to its nearest centre, as far as it matters.
//!
//! It never increases as centres are added, so a distance of earlier is a bound. Where that is too high, the centres
//! that a candidate missed are gone through: most are ruled out by the triangle inequality, the others lower the bound
//! by the distance between rounded points, and what is still too high is measured in float64.

use rayon::prelude::*;

use super::centres::{Centres, Source};
use super::points::Space;
use super::rounded::{Bounds, Rounded};
use crate::error::{Error, Result};
use crate::linalg::DIRECTIONS;
use crate::rows::Rows;

/// Candidates that one thread takes at a time.
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

/// What is known about the nearest centre of a candidate.
#[derive(Clone, Copy)]
struct Known {
    /// Every centre but the nearest is at least this far away, of those gone through that may be nearer than the bound.
    rest: f64,
    /// The centre that the bound comes from.
    nearest: u32,
    /// Centres gone through.
    applied: u32,
    /// Whether the bound is the distance to `nearest` as float64 gives it.
    measured: bool,
}

/// A candidate whose bound is being lowered.
#[derive(Clone, Copy)]
struct Candidate {
    index: usize,
    bound: f64,
    known: Known,
}

impl Candidate {
    /// Whether the bound is the distance to the nearest of the centres that were gone through.
    fn is_settled(&self) -> bool {
        self.known.measured && (self.known.rest >= self.bound || self.bound == 0.0)
    }
}

impl Nearest {
    /// Candidates that have seen none of the centres yet.
    pub(crate) fn new(space: Space, pool: Rounded, core: Rounded) -> Self {
        let known = Known { rest: f64::INFINITY, nearest: NONE, applied: 0, measured: false };
        let (bounds, known) = (vec![f64::INFINITY; pool.len()], vec![known; pool.len()]);
        Self { space, rounded: pool, centres: Centres::new(core), bounds, known }
    }

    /// Candidates whose distances to centres that are not among these are known.
    pub(crate) fn with_distances(space: Space, pool: Rounded, none: Rounded, distances: Vec<f64>) -> Self {
        let known = Known { rest: f64::INFINITY, nearest: NONE, applied: 0, measured: true };
        let known = vec![known; pool.len()];
        Self { space, rounded: pool, centres: Centres::new(none), bounds: distances, known }
    }

    /// Bytes that are taken beside those of the points.
    pub(crate) fn bytes(pool: usize, core: usize) -> usize {
        pool * (size_of::<Known>() + size_of::<f64>() + size_of::<Candidate>()) + Centres::bytes(core)
    }

    /// The space, the points of the pool, and the bounds.
    pub(crate) fn into_parts(self) -> (Space, Rounded, Vec<f64>) {
        (self.space, self.rounded, self.bounds)
    }

    pub(crate) fn space(&self) -> &Space {
        &self.space
    }

    /// Refuse another core than the one that the centres began with.
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

    /// For each candidate a number that its distance is not above.
    pub(crate) fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// Whether the bound of a candidate is its distance.
    pub(crate) fn is_exact(&self, candidate: usize) -> bool {
        let candidate = self.candidate(candidate);
        candidate.is_settled() && (candidate.known.applied as usize == self.centres.len() || candidate.bound == 0.0)
    }

    /// A candidate becomes a centre.
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

    /// Go through the centres that a candidate missed until its bound is below `threshold`.
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

    /// Account for the distance to a centre.
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

    /// Replace the bound by the distance to the nearest of the centres that were gone through.
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

    /// Measure the distance to every centre that may be nearer than the nearest so far.
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
    /// The centre that was read last.
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
