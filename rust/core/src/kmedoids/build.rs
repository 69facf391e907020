//! BUILD (Kaufman and Rousseeuw 1990): each medoid in turn is the row that lowers the loss most.
//!
//! What a row lowers the loss by only falls as medoids are added, so old values bound new ones from above, and only
//! rows whose bound is above the best value have to be looked at again. The first bounds come from the screen.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::kernel::LANES;
use super::screen::Radii;
use super::space::{Space, range};

/// Rows of the pool that are summed up together: fixed, so that the sums do not depend on the number of threads.
const CHUNK: usize = 2048;

/// A row that may become a medoid, and what it lowers the loss by, at most or exactly.
#[derive(PartialEq)]
struct Candidate {
    gain: f64,
    row: u32,
}

impl Eq for Candidate {}

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

/// Choose `count` medoids; `charges` holds the distance of every row to the core, infinite without one.
pub(super) fn build(space: &Space, charges: &[f32], count: usize) -> Vec<u32> {
    // Without a core all rows are charged alike, more than any distance, for being far from everything.
    let mut charges: Vec<f32> = charges.iter().map(|&c| c.min(space.points.diameter())).collect();
    let mut medoids: Vec<u32> = Vec::with_capacity(count);
    let mut heap = BinaryHeap::new();
    while medoids.len() < count {
        // The first bounds are from the screen, and tight; what the first medoid leaves of them is not.
        if medoids.len() < 2 {
            heap = first_bounds(space, &charges, &medoids);
        }
        let Some(best) = best(space, &charges, &mut heap) else {
            break;
        };
        space.lower(&mut charges, &[best]);
        medoids.push(best);
    }
    medoids
}

fn first_bounds(space: &Space, charges: &[f32], medoids: &[u32]) -> BinaryHeap<Candidate> {
    let bounds = space.screen.shortfalls(charges, false).into_iter().enumerate();
    let candidates = bounds.map(|(row, gain)| Candidate { gain, row: row as u32 });
    candidates.filter(|candidate| !medoids.contains(&candidate.row)).collect()
}

/// Take the row with the largest gain from the heap, of equal ones the lowest, bringing bounds up to date on the way.
fn best(space: &Space, charges: &[f32], heap: &mut BinaryHeap<Candidate>) -> Option<u32> {
    let mut exact: BinaryHeap<Candidate> = BinaryHeap::new();
    loop {
        let needed = exact.peek().map_or(f64::NEG_INFINITY, |best| best.gain);
        let mut rows = Vec::with_capacity(LANES);
        while rows.len() < LANES && heap.peek().is_some_and(|next| next.gain >= needed) {
            rows.extend(heap.pop().map(|candidate| candidate.row));
        }
        if rows.is_empty() {
            break;
        }
        let gains = gains(space, charges, &rows);
        exact.extend(rows.into_iter().zip(gains).map(|(row, gain)| Candidate { gain, row }));
    }
    let best = exact.pop();
    heap.append(&mut exact);
    best.map(|best| best.row)
}

/// What each of some rows would lower the charges by in sum.
fn gains(space: &Space, charges: &[f32], rows: &[u32]) -> Vec<f64> {
    let packed = space.screen.pack(rows.to_vec());
    let chunks: Vec<Vec<f64>> = charges
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, charges)| {
            let pool = range(chunk * CHUNK, charges.len());
            let mut sums = vec![0.0; rows.len()];
            space.screen.within(&pool, &packed, Radii::OfRows(charges), |row, candidate| {
                let distance = space.points.distance(pool[row] as usize, rows[candidate] as usize);
                sums[candidate] += f64::from(charges[row] - distance).max(0.0);
            });
            sums
        })
        .collect();
    let mut total = vec![0.0; rows.len()];
    for sums in chunks {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    total
}
