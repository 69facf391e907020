//! The points that distances are measured to, and how far they are apart.
//!
//! Let `c` be the nearest centre of `x` so far, at most `u` away. By the triangle inequality a centre `p` is at least
//! `|p - c| - |x - c|` from `x`, so it is no nearer than `c` if `|p - c| >= 2 u`, and neither `p` nor `x` need be looked at.

use rayon::prelude::*;

use super::rounded::Rounded;
use crate::linalg::DIRECTIONS;

/// Numbers in the table of separations, at most: 64 MiB.
const TABLE: usize = 1 << 24;
/// Room for rounding in comparisons of separations with distances.
const ROUNDING: f64 = 1e-6;

/// Where a centre came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A row of the core.
    Core(usize),
    /// A candidate of the pool.
    Pool(usize),
}

pub(crate) struct Centres {
    rounded: Rounded,
    core: usize,
    /// Candidates that became centres, after those of the core.
    picks: Vec<usize>,
    separations: Vec<Separations>,
    stored: usize,
    table: usize,
}

/// How far a centre is at least from those that came after it.
struct Separations {
    /// The first centre that is told of.
    first: usize,
    distances: Vec<f32>,
}

impl Centres {
    /// Bytes of the table of separations of a core.
    pub(crate) fn bytes(core: usize) -> usize {
        if core * core / 2 <= TABLE { core * core / 2 * size_of::<f32>() } else { 0 }
    }

    /// The rows of the core.
    pub(crate) fn new(core: Rounded) -> Self {
        Self::with_table(core, TABLE)
    }

    fn with_table(core: Rounded, table: usize) -> Self {
        let count = core.len();
        // A core too large for the table is gone through without it.
        let told = count * count / 2 <= table;
        let separations: Vec<Separations> = (0..count)
            .into_par_iter()
            .map(|c| match told {
                true => {
                    let mut distances = Vec::new();
                    lower_bounds(&core, c, &core, c + 1..count, &mut distances);
                    Separations { first: c + 1, distances }
                }
                false => Separations { first: count, distances: Vec::new() },
            })
            .collect();
        let stored = separations.iter().map(|s| s.distances.len()).sum();
        Self { rounded: core, core: count, picks: Vec::new(), separations, stored, table }
    }

    pub(crate) fn len(&self) -> usize {
        self.rounded.len()
    }

    /// How many of the centres are rows of the core.
    pub(crate) fn core(&self) -> usize {
        self.core
    }

    pub(crate) fn rounded(&self) -> &Rounded {
        &self.rounded
    }

    pub(crate) fn source(&self, centre: usize) -> Source {
        if centre < self.core { Source::Core(centre) } else { Source::Pool(self.picks[centre - self.core]) }
    }

    /// A candidate becomes a centre.
    pub(crate) fn push(&mut self, pool: &Rounded, candidate: usize) {
        let count = self.len();
        let mut distances = Vec::with_capacity(count);
        lower_bounds(pool, candidate, &self.rounded, 0..count, &mut distances);
        for (separations, distance) in self.separations.iter_mut().zip(distances) {
            separations.distances.push(distance);
        }
        self.stored += count;
        self.separations.push(Separations { first: count + 1, distances: Vec::new() });
        self.rounded.push(pool, candidate);
        self.picks.push(candidate);
        if self.stored > self.table {
            self.forget();
        }
    }

    /// Make room: what was missed longest ago is missed by the fewest candidates.
    fn forget(&mut self) {
        for separations in &mut self.separations {
            let forgotten = separations.distances.len().div_ceil(2);
            separations.distances.drain(..forgotten);
            separations.first += forgotten;
        }
        self.stored = self.separations.iter().map(|s| s.distances.len()).sum();
    }

    /// The first centre from `from` on that may be less than `distance` from a point whose nearest centre so far is
    /// `nearest`, at most `distance` away; the number of centres if there is none.
    #[inline]
    pub(crate) fn next_near(&self, nearest: usize, from: usize, distance: f64) -> usize {
        let Some(separations) = self.separations.get(nearest) else {
            return from;
        };
        if from < separations.first {
            return from;
        }
        let limit = (2.0 * distance * (1.0 + ROUNDING)) as f32;
        let rest = &separations.distances[from - separations.first..];
        rest.iter().position(|&separation| separation < limit).map_or(self.len(), |k| from + k)
    }
}

/// Append what the distances between a point and some others are at least.
fn lower_bounds(points: &Rounded, index: usize, others: &Rounded, range: std::ops::Range<usize>, out: &mut Vec<f32>) {
    let end = range.end;
    for start in range.step_by(DIRECTIONS) {
        // The last one stands in for those that are not there.
        let which = std::array::from_fn(|k| (start + k).min(end - 1));
        let bounds = points.between(index, others, which);
        out.extend(bounds[..DIRECTIONS.min(end - start)].iter().map(|b| (b.lower * (1.0 - ROUNDING)) as f32));
    }
}
