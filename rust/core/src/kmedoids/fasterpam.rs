//! FasterPAM (Schubert and Rousseeuw 2021): exchange a medoid for another row as soon as that lowers the loss.
//!
//! Candidates are visited in the order of the pool, cyclically. For each, one pass over the rows near it gives the
//! change of the loss for every medoid that it might replace. The search ends after a round without a swap.

use rayon::prelude::*;

use super::neighbours::Neighbours;
use super::space::{CORE, Space, Two};

/// First and largest number of candidates in a batch. It changes no result: candidates after the first improvement of a
/// batch are visited again.
const BATCH: std::ops::RangeInclusive<usize> = 16..=2048;
/// Candidates whose neighbours are listed in one step.
const LISTED: usize = 2048;
/// A swap must lower the loss by more than this fraction, which is larger than the rounding errors of the sums.
const TOLERANCE: f64 = 1e-12;

/// Medoids under improvement.
pub(super) struct FasterPam {
    medoids: Vec<u32>,
    /// Whether a row is a medoid, or must not become one.
    closed: Vec<bool>,
    /// Number of the other rows.
    open: usize,
    /// Distance of every row to the core, infinite without one.
    core: Vec<f32>,
    nearest: Vec<Two>,
    loss: f64,
    /// The rise of the loss if each medoid were removed without replacement.
    removal: Vec<f64>,
    neighbours: Neighbours,
    next: usize,
    batch: usize,
    /// Candidates visited since the last swap, and in all.
    unchanged: usize,
    visited: usize,
    swaps: usize,
}

/// A swap that lowers the loss.
#[derive(Clone, Copy)]
struct Swap {
    position: usize,
    candidate: usize,
}

impl FasterPam {
    /// Start from `medoids`: at least two, or one with a core. Other rows that are `closed` never become medoids.
    pub(super) fn new(space: &Space, core: Vec<f32>, medoids: Vec<u32>, mut closed: Vec<bool>) -> Self {
        medoids.iter().for_each(|&medoid| closed[medoid as usize] = true);
        let all: Vec<u32> = (0..space.pool() as u32).collect();
        let nearest = space.two_nearest(&all, |row| core[row as usize], &medoids);
        let mut state = Self {
            removal: vec![0.0; medoids.len()],
            medoids,
            open: closed.iter().filter(|closed| !**closed).count(),
            closed,
            core,
            nearest,
            loss: 0.0,
            neighbours: Neighbours::new(space.pool(), usize::MAX),
            next: 0,
            batch: *BATCH.start(),
            unchanged: 0,
            visited: 0,
            swaps: 0,
        };
        state.sum_up();
        state
    }

    /// Expected bytes of the list of one candidate.
    pub(super) fn expected_bytes(&self, space: &Space) -> usize {
        let reach: Vec<f32> = self.nearest.iter().map(|two| two.second_distance).collect();
        Neighbours::expected_bytes(space, &reach)
    }

    /// Limit the bytes of all lists; to be called before the first list is made.
    pub(super) fn limit(&mut self, max_bytes: usize) {
        self.neighbours = Neighbours::new(self.nearest.len(), max_bytes);
    }

    /// Visit up to `count` candidates, after listing their neighbours if necessary.
    pub(super) fn advance(&mut self, space: &Space, count: usize) {
        if !self.neighbours.window().contains(&self.next) {
            self.list(space);
        }
        let last = self.visited.saturating_add(count);
        while self.visited < last && !self.is_done() && self.neighbours.window().contains(&self.next) {
            let end = self.neighbours.window().end.min(self.next + self.batch.min(last - self.visited));
            let swap = (self.next..end).into_par_iter().find_map_first(|candidate| self.improvement(candidate));
            let visited = swap.map_or(end, |swap| swap.candidate + 1) - self.next;
            self.batch = if swap.is_some() { 2 * visited } else { 2 * self.batch }.clamp(*BATCH.start(), *BATCH.end());
            self.next = (self.next + visited) % self.nearest.len();
            self.visited += visited;
            self.unchanged += visited;
            if let Some(swap) = swap {
                self.swap(space, swap);
                self.unchanged = 0;
            }
        }
    }

    /// List the neighbours of the next candidates; older lists are kept if memory allows.
    fn list(&mut self, space: &Space) {
        let follows = self.neighbours.window().end == self.next && self.next > 0;
        if !(follows && self.neighbours.has_room(LISTED)) {
            self.neighbours.restart(self.next, &self.nearest);
        }
        self.neighbours.grow(space, LISTED);
    }

    /// Whether no swap lowers the loss any more.
    pub(super) fn is_done(&self) -> bool {
        self.unchanged >= self.nearest.len() || self.open == 0
    }

    /// Number of visits so far; a candidate counts once per round.
    pub(super) fn visited(&self) -> usize {
        self.visited
    }

    pub(super) fn swaps(&self) -> usize {
        self.swaps
    }

    pub(super) fn medoids(&self) -> &[u32] {
        &self.medoids
    }

    pub(super) fn nearest(&self) -> &[Two] {
        &self.nearest
    }

    /// The swap with `candidate` that lowers the loss most, if any does.
    fn improvement(&self, candidate: usize) -> Option<Swap> {
        if self.closed[candidate] {
            return None;
        }
        let mut changes = self.removal.clone();
        // Change of the loss that does not depend on the medoid that is replaced.
        let mut shared = 0.0;
        for neighbour in self.neighbours.of(candidate) {
            let two = self.nearest[neighbour.row as usize];
            let (distance, near, second) =
                (f64::from(neighbour.distance), f64::from(two.near_distance), f64::from(two.second_distance));
            let change = if distance < near {
                shared += distance - near;
                near - second
            } else if distance < second {
                distance - second
            } else {
                continue;
            };
            // The core is never removed.
            if two.near != CORE {
                changes[two.near as usize] += change;
            }
        }
        let (mut position, mut best) = (0, f64::INFINITY);
        for (i, &change) in changes.iter().enumerate() {
            if change < best {
                (position, best) = (i, change);
            }
        }
        (best + shared < -TOLERANCE * self.loss).then_some(Swap { position, candidate })
    }

    fn swap(&mut self, space: &Space, Swap { position, candidate }: Swap) {
        self.closed[self.medoids[position] as usize] = false;
        self.closed[candidate] = true;
        self.medoids[position] = candidate as u32;
        self.swaps += 1;
        // Rows that are not in the list of the candidate are farther from it than from their second nearest medoid.
        let mut distances = vec![f32::INFINITY; self.nearest.len()];
        for neighbour in self.neighbours.of(candidate) {
            distances[neighbour.row as usize] = neighbour.distance;
        }
        let mut search = Vec::new();
        for (row, (two, distance)) in self.nearest.iter_mut().zip(distances).enumerate() {
            if !exchange(two, position as u32, distance) {
                search.push(row as u32);
            }
        }
        let found = space.two_nearest(&search, |row| self.core[row as usize], &self.medoids);
        for (&row, two) in search.iter().zip(found) {
            self.nearest[row as usize] = two;
        }
        search.retain(|&row| !self.neighbours.reaches(row as usize, self.nearest[row as usize].second_distance));
        let reach: Vec<f32> = search.iter().map(|&row| self.nearest[row as usize].second_distance).collect();
        self.neighbours.widen(space, &search, &reach);
        self.sum_up();
    }

    /// Compute the loss, and its rise without each medoid.
    fn sum_up(&mut self) {
        self.loss = 0.0;
        self.removal.fill(0.0);
        for two in &self.nearest {
            self.loss += f64::from(two.near_distance);
            if two.near != CORE {
                self.removal[two.near as usize] += f64::from(two.second_distance) - f64::from(two.near_distance);
            }
        }
    }
}

/// Update the two nearest medoids of a row for a new medoid at `distance` that takes the position of another one.
///
/// Returns false if the old medoid was among the two nearest and the new one may not be: the row must be searched anew.
fn exchange(two: &mut Two, position: u32, distance: f32) -> bool {
    if two.near == position {
        two.near_distance = distance;
        distance < two.second_distance
    } else if two.second == position {
        let served = distance < two.second_distance;
        // The distance of the old medoid no longer counts.
        two.second_distance = f32::INFINITY;
        two.insert(position, distance);
        served
    } else {
        two.insert(position, distance);
        true
    }
}
