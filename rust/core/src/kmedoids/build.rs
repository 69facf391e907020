//! BUILD (Kaufman and Rousseeuw 1990): each medoid in turn is the row that lowers the loss most.
//!
//! What a row gains, that is lowers the loss by, only falls as medoids are added, so what was known of it for fewer
//! medoids bounds it from above. Of the rows whose bound is still the largest the screen gives a new one; only where that
//! remains the largest are distances measured.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::kernel::LANES;
use super::screen::Radii;
use super::space::{Space, range};

/// Rows of the pool that are summed up together: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;
/// Rows that are looked at together at most.
const BATCH: usize = 16 * LANES;

/// A row that may become a medoid, and what it gains, at most or exactly.
#[derive(Clone, Copy)]
struct Candidate {
    gain: f64,
    row: u32,
    /// Number of medoids that there were when the gain was looked at.
    medoids: u32,
    known: Known,
}

/// What is known of a gain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing, or a bound for fewer medoids.
    Old,
    /// The bound of the screen.
    Bound,
    Exact,
}

impl Ord for Candidate {
    /// Larger gains first, of equal ones the lower row.
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Candidate {}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

/// The search for the next medoid.
pub(super) struct Build {
    heap: BinaryHeap<Candidate>,
    medoids: u32,
    /// Rows to bound, and to measure, together next: the more, the longer the search takes.
    bounded: usize,
    measured: usize,
}

impl Build {
    /// Search among the rows that are open.
    pub(super) fn new(open: impl Iterator<Item = u32>) -> Self {
        let unknown = |row| Candidate { gain: f64::INFINITY, row, medoids: 0, known: Known::Old };
        Self { heap: open.map(unknown).collect(), medoids: 0, bounded: LANES, measured: 1 }
    }

    /// Look at a few rows more, and return the medoid once it is found; `charges` holds the distance of every row to
    /// the nearest medoid so far.
    pub(super) fn look(&mut self, space: &Space, charges: &[f32]) -> Option<u32> {
        let candidates = match self.known(self.heap.peek()?) {
            Known::Exact => {
                let best = self.heap.pop()?;
                (self.medoids, self.bounded, self.measured) = (self.medoids + 1, LANES, 1);
                return Some(best.row);
            }
            Known::Bound => self.take(Known::Bound, self.measured),
            Known::Old => self.take(Known::Old, self.bounded),
        };
        let rows: Vec<u32> = candidates.iter().map(|candidate| candidate.row).collect();
        let (gains, known) = if self.known(&candidates[0]) == Known::Bound {
            // The first one alone is measured: its gain may rule out all others.
            self.measured = LANES;
            (gains(space, charges, &rows), Known::Exact)
        } else {
            self.bounded = BATCH.min(2 * self.bounded);
            (bounds(space, charges, &rows), Known::Bound)
        };
        let medoids = self.medoids;
        let looked_at = candidates.into_iter().zip(gains);
        self.heap.extend(looked_at.map(|(old, gain)| Candidate { gain: gain.min(old.gain), medoids, known, ..old }));
        None
    }

    fn known(&self, candidate: &Candidate) -> Known {
        if candidate.medoids == self.medoids { candidate.known } else { Known::Old }
    }

    /// Take the candidates with the largest gains of which the same is known.
    fn take(&mut self, known: Known, count: usize) -> Vec<Candidate> {
        let mut out = Vec::with_capacity(count);
        while out.len() < count && self.heap.peek().is_some_and(|next| self.known(next) == known) {
            out.extend(self.heap.pop());
        }
        out
    }
}

/// What each of some rows gains at most, from the screen.
fn bounds(space: &Space, charges: &[f32], rows: &[u32]) -> Vec<f64> {
    let packed = space.screen.pack(rows.to_vec());
    sum_of_chunks(charges, rows.len(), |first, charges| space.screen.shortfalls(&packed, first, charges, false))
}

/// What each of some rows gains.
fn gains(space: &Space, charges: &[f32], rows: &[u32]) -> Vec<f64> {
    let packed = space.screen.pack(rows.to_vec());
    sum_of_chunks(charges, rows.len(), |first, charges| {
        let pool = range(first, charges.len());
        let mut sums = vec![0.0; rows.len()];
        space.screen.within(&pool, &packed, Radii::OfRows(charges), |row, candidate| {
            let distance = space.points.distance(pool[row] as usize, rows[candidate] as usize);
            sums[candidate] += f64::from(charges[row] - distance).max(0.0);
        });
        sums
    })
}

fn sum_of_chunks(charges: &[f32], count: usize, sums: impl Fn(usize, &[f32]) -> Vec<f64> + Sync) -> Vec<f64> {
    let chunks: Vec<Vec<f64>> =
        charges.par_chunks(CHUNK).enumerate().map(|(chunk, charges)| sums(chunk * CHUNK, charges)).collect();
    let mut total = vec![0.0; count];
    for sums in chunks {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    total
}
