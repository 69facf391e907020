//! For each candidate, the rows that it matters to: those nearer to it than to their second nearest medoid.
//!
//! A swap changes what a row costs only if the new medoid is nearer to it than its second nearest one. Those pairs are
//! about two in every `k` of all, so they are listed, with their distances, instead of a matrix of all distances. Where
//! memory is too small for the lists of all candidates, only those of a window of them are kept at a time.

use std::ops::Range;

use rayon::prelude::*;

use super::screen::Radii;
use super::space::{Space, range};

/// Rows that are put side by side at a time.
const SEGMENT: usize = 4096;
/// Candidates that the length of the lists is estimated from.
const SAMPLE: usize = 256;

/// A row near a candidate.
#[derive(Clone, Copy)]
pub(super) struct Neighbour {
    pub(super) row: u32,
    pub(super) distance: f32,
}

/// The lists of a window of candidates.
pub(super) struct Neighbours {
    window: Range<usize>,
    lists: Vec<Vec<Neighbour>>,
    /// Every row stands in the lists of all candidates of the window that are nearer to it than this.
    reach: Vec<f32>,
}

impl Neighbours {
    /// Bytes that the list of one candidate is expected to take.
    pub(super) fn expected_bytes(space: &Space, reach: &[f32]) -> usize {
        let step = space.pool().div_ceil(SAMPLE);
        let sample: Vec<u32> = (0..space.pool()).step_by(step).map(|i| i as u32).collect();
        let mut lists = vec![Vec::new(); sample.len()];
        extend(space, &sample, &mut lists, &range(0, space.pool()), None, reach);
        let neighbours: usize = lists.iter().map(Vec::len).sum();
        let each = neighbours.div_ceil(sample.len()) * size_of::<Neighbour>();
        // Lists keep room to grow, and become longer where the second nearest medoid moves away.
        size_of::<Vec<Neighbour>>() + each + each / 2
    }

    pub(super) fn new(pool: usize) -> Self {
        Self { window: 0..0, lists: Vec::new(), reach: vec![0.0; pool] }
    }

    /// Candidates whose lists are there.
    pub(super) fn window(&self) -> Range<usize> {
        self.window.clone()
    }

    /// The rows near a candidate of the window, in no particular but always the same order.
    pub(super) fn of(&self, candidate: usize) -> &[Neighbour] {
        &self.lists[candidate - self.window.start]
    }

    /// Replace the window.
    pub(super) fn move_to(&mut self, space: &Space, window: Range<usize>, reach: impl Iterator<Item = f32>) {
        self.lists.clear();
        self.lists.resize_with(window.len(), Vec::new);
        self.window = window;
        self.reach.iter_mut().zip(reach).for_each(|(old, new)| *old = new);
        let candidates = range(self.window.start, self.window.len());
        for first in (0..space.pool()).step_by(SEGMENT) {
            let rows = range(first, SEGMENT.min(space.pool() - first));
            extend(space, &candidates, &mut self.lists, &rows, None, &self.reach[first..first + rows.len()]);
        }
    }

    /// Whether a row stands in all the lists that it must stand in if its second nearest medoid is at `distance`.
    pub(super) fn reaches(&self, row: usize, distance: f32) -> bool {
        distance <= self.reach[row]
    }

    /// Enter rows into further lists, up to a new reach of each.
    pub(super) fn widen(&mut self, space: &Space, rows: &[u32], reach: &[f32]) {
        let candidates = range(self.window.start, self.window.len());
        let old: Vec<f32> = rows.iter().map(|&row| self.reach[row as usize]).collect();
        extend(space, &candidates, &mut self.lists, rows, Some(&old), reach);
        for (&row, &reach) in rows.iter().zip(reach) {
            self.reach[row as usize] = reach;
        }
    }
}

/// Enter rows into the lists of the candidates that are nearer than `reach`, unless nearer than the old reach.
fn extend(
    space: &Space,
    candidates: &[u32],
    lists: &mut [Vec<Neighbour>],
    rows: &[u32],
    old: Option<&[f32]>,
    reach: &[f32],
) {
    let packed = space.screen.pack(rows.to_vec());
    let block = space.screen.block();
    lists.par_chunks_mut(block).zip(candidates.par_chunks(block)).for_each(|(lists, candidates)| {
        space.screen.within(candidates, &packed, Radii::OfPacked(reach), |candidate, position| {
            let row = rows[position];
            let distance = space.points.distance(candidates[candidate] as usize, row as usize);
            if distance < reach[position] && old.is_none_or(|old| distance >= old[position]) {
                push(&mut lists[candidate], Neighbour { row, distance });
            }
        });
    });
}

/// Append to a list that grows by a quarter rather than to the double.
fn push(list: &mut Vec<Neighbour>, neighbour: Neighbour) {
    if list.len() == list.capacity() {
        list.reserve_exact(32 + list.len() / 4);
    }
    list.push(neighbour);
}
