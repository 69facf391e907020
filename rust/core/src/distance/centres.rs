//! The centres, to which distances are measured, and lower bounds on the distances between them.
//!
//! Let `c` be the nearest centre of `x` so far, at most `u` away. By the triangle inequality another centre `p` is at
//! least `|p - c| - |x - c|` from `x`. So `p` is no nearer than `c` if `|p - c| >= 2 u`, and can be skipped.

use rayon::prelude::*;

use super::rounded::Rounded;
use crate::linalg::DIRECTIONS;

/// Largest number of entries in the table of separations: 64 MiB.
const TABLE: usize = 1 << 24;
/// Relative margin for rounding in comparisons of separations with distances.
const ROUNDING: f64 = 1e-6;

/// The origin of a centre.
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

/// Lower bounds on the distances of a centre to later centres.
struct Separations {
    /// The first later centre with an entry.
    first: usize,
    distances: Vec<f32>,
}

impl Centres {
    /// Bytes of the table of separations of a core.
    pub(crate) fn bytes(core: usize) -> usize {
        if core * core / 2 <= TABLE { core * core / 2 * size_of::<f32>() } else { 0 }
    }

    /// The rows of the core as centres.
    pub(crate) fn new(core: Rounded) -> Self {
        Self::with_table(core, TABLE)
    }

    fn with_table(core: Rounded, table: usize) -> Self {
        let count = core.len();
        // Without a table, for a core that is too large, every centre is examined.
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

    /// Number of centres that are rows of the core.
    pub(crate) fn core(&self) -> usize {
        self.core
    }

    pub(crate) fn rounded(&self) -> &Rounded {
        &self.rounded
    }

    pub(crate) fn source(&self, centre: usize) -> Source {
        if centre < self.core { Source::Core(centre) } else { Source::Pool(self.picks[centre - self.core]) }
    }

    /// Make a candidate a centre.
    pub(crate) fn push(&mut self, pool: &Rounded, candidate: usize) {
        self.add(pool, candidate);
        self.picks.push(candidate);
    }

    /// Add rows to the core, while there are no picks.
    pub(crate) fn append(&mut self, more: &Rounded) {
        debug_assert!(self.picks.is_empty());
        let count = self.len() + more.len();
        if more.len() * (self.len() + more.len() / 2) <= self.table {
            (0..more.len()).for_each(|row| self.add(more, row));
        } else {
            // As for a core that is too large from the beginning.
            (0..more.len()).for_each(|row| self.rounded.push(more, row));
            self.separations = (0..count).map(|_| Separations { first: count, distances: Vec::new() }).collect();
            self.stored = 0;
        }
        self.core = count;
    }

    fn add(&mut self, pool: &Rounded, candidate: usize) {
        let count = self.len();
        let mut distances = Vec::with_capacity(count);
        lower_bounds(pool, candidate, &self.rounded, 0..count, &mut distances);
        for (separations, distance) in self.separations.iter_mut().zip(distances) {
            separations.distances.push(distance);
        }
        self.stored += count;
        self.separations.push(Separations { first: count + 1, distances: Vec::new() });
        self.rounded.push(pool, candidate);
        if self.stored > self.table {
            self.forget();
        }
    }

    /// Drop the older half of the table: few candidates have not seen these centres yet.
    fn forget(&mut self) {
        for separations in &mut self.separations {
            let forgotten = separations.distances.len().div_ceil(2);
            separations.distances.drain(..forgotten);
            separations.first += forgotten;
        }
        self.stored = self.separations.iter().map(|s| s.distances.len()).sum();
    }

    /// The first centre from `from` that may be less than `distance` from a point whose nearest centre so far, at most
    /// `distance` away, is `nearest`. The number of centres if there is none.
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

/// Append lower bounds on the distances between a point and some others.
fn lower_bounds(points: &Rounded, index: usize, others: &Rounded, range: std::ops::Range<usize>, out: &mut Vec<f32>) {
    let end = range.end;
    for start in range.step_by(DIRECTIONS) {
        // The last index is repeated as padding.
        let which = std::array::from_fn(|k| (start + k).min(end - 1));
        let bounds = points.between(index, others, which);
        out.extend(bounds[..DIRECTIONS.min(end - start)].iter().map(|b| (b.lower * (1.0 - ROUNDING)) as f32));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::rows::View;
    use crate::distance::{Metric, Space};

    fn distance(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn no_nearer_centre_is_skipped(
            core in 0_usize..20, more in 0_usize..20, picks in 0_usize..20, seed in 0_u32..1000,
            table in prop::sample::select(vec![0_usize, 7, 100, TABLE]),
        ) {
            const DIM: usize = 2;
            let count = core + more + picks;
            let noise = |k: usize| ((f64::from(seed) * 0.61 + k as f64 * 12.9898).sin() * 43758.5453).fract();
            let data: Vec<f64> = (0..(count + 20) * DIM).map(noise).collect();
            let space = Space::with_factors(Metric::Euclidean, None, DIM).unwrap();
            let rounded = |range: std::ops::Range<usize>| {
                let rows = View::new(&data[range.start * DIM..range.end * DIM], range.len(), DIM).unwrap();
                Rounded::new("the rows", space.points(&rows), &[0.0; DIM]).unwrap().0
            };
            let mut centres = Centres::with_table(rounded(0..core), table);
            centres.append(&rounded(core..core + more));
            let pool = rounded(core + more..count + 20);
            (0..picks).for_each(|pick| centres.push(&pool, pick));
            prop_assert_eq!((centres.len(), centres.core()), (count, core + more));
            for x in data[count * DIM..].chunks_exact(DIM) {
                let distances: Vec<f64> = data.chunks_exact(DIM).take(count).map(|c| distance(x, c)).collect();
                for from in 1..count {
                    let nearest = (0..from).min_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap();
                    let next = centres.next_near(nearest, from, distances[nearest]);
                    prop_assert!(distances[from..next].iter().all(|&skipped| skipped >= distances[nearest]));
                }
            }
        }
    }
}
