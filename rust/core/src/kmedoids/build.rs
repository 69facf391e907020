//! BUILD (Kaufman and Rousseeuw 1990): each medoid in turn is the row that lowers the loss most.
//!
//! The gain of a row is the amount by which it lowers the loss as a new medoid. Gains never rise as medoids are added,
//! so an earlier gain is an upper bound. The rows with the largest bounds get a new bound from the screen; distances
//! are measured only for rows whose new bound remains the largest.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::space::{Space, range};
use crate::distance::screen::LANES;
use crate::distance::screen::Radii;

/// Number of rows in a partial sum: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 1024;
/// Largest number of candidates in a batch.
const BATCH: usize = 16 * LANES;

/// A row that may become a medoid, with its gain or a bound of it.
#[derive(Clone, Copy)]
struct Candidate {
    gain: f64,
    row: u32,
    /// Number of medoids when the gain was computed.
    medoids: u32,
    known: Known,
}

/// How accurately a gain is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Unknown, or a bound from fewer medoids.
    Old,
    /// A bound from the screen.
    Bound,
    Exact,
}

impl Ord for Candidate {
    /// Larger gains first; of equal gains, the lower row.
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
    /// Whether a gain was measured for the next medoid.
    measured: bool,
    /// Number of rows in the next batch of bounds; it grows with the length of the search.
    batch: usize,
}

impl Build {
    /// Search among the rows that are open.
    pub(super) fn new(open: impl Iterator<Item = u32>) -> Self {
        let unknown = |row| Candidate { gain: f64::INFINITY, row, medoids: 0, known: Known::Old };
        Self { heap: open.map(unknown).collect(), medoids: 0, measured: false, batch: LANES }
    }

    /// Continue the search by one batch, and return the medoid once it is found. `charges` holds the distance of every
    /// row to the nearest medoid so far.
    pub(super) fn look(&mut self, space: &Space, charges: &[f32]) -> Option<u32> {
        if self.known(self.heap.peek()?) == Known::Exact {
            let best = self.heap.pop()?;
            (self.medoids, self.measured, self.batch) = (self.medoids + 1, false, LANES);
            return Some(best.row);
        }
        if self.known(self.heap.peek()?) == Known::Old {
            let old = self.take(Known::Old, self.batch);
            self.batch = BATCH.min(2 * self.batch);
            self.learn(old, Known::Bound, |rows| bounds(space, charges, rows));
        } else {
            let bounded = self.take(Known::Bound, LANES);
            self.learn(bounded, Known::Exact, |rows| gains(space, charges, rows));
        }
        None
    }

    fn known(&self, candidate: &Candidate) -> Known {
        if candidate.medoids == self.medoids { candidate.known } else { Known::Old }
    }

    /// Remove up to `count` candidates from the top of the queue whose gains are known as accurately as `known`.
    fn take(&mut self, known: Known, count: usize) -> Vec<Candidate> {
        let (mut taken, mut others) = (Vec::with_capacity(count), Vec::new());
        while let Some(next) = self.heap.peek().filter(|_| taken.len() < count) {
            let is_wanted = self.known(next) == known;
            if self.known(next) == Known::Exact || others.len() >= count {
                break;
            }
            if is_wanted { &mut taken } else { &mut others }.extend(self.heap.pop());
        }
        self.heap.extend(others);
        taken
    }

    /// Put candidates back into the queue with new gains.
    fn learn(&mut self, candidates: Vec<Candidate>, known: Known, gains: impl FnOnce(&[u32]) -> Vec<f64>) {
        let rows: Vec<u32> = candidates.iter().map(|candidate| candidate.row).collect();
        let (medoids, gains) = (self.medoids, gains(&rows));
        let looked_at = candidates.into_iter().zip(gains);
        self.heap.extend(looked_at.map(|(old, gain)| Candidate { gain: gain.min(old.gain), medoids, known, ..old }));
    }
}

/// Upper bounds of the gains of rows, from the screen.
fn bounds(space: &Space, charges: &[f32], rows: &[u32]) -> Vec<f64> {
    let packed = space.screen.pack(rows.to_vec());
    sum_of_chunks(charges, rows.len(), |first, charges| space.screen.shortfalls(&packed, first, charges, false))
}

/// The gains of rows.
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
