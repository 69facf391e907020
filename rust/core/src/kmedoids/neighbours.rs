//! For each candidate, the list of its neighbours: rows that are nearer to it than to their second nearest medoid.
//!
//! As a new medoid, a candidate changes only the costs of its neighbours. Of `k` rows about two are neighbours of a
//! candidate, so lists with distances replace a matrix of all distances. If memory is too small for the lists of all
//! candidates, only those of a window of candidates are kept at a time; its size follows from the lists as they are
//! made.

use std::ops::Range;

use rayon::prelude::*;

use super::space::{Space, Two, range};
use crate::distance::screen::Radii;

/// Number of rows that are packed together.
const SEGMENT: usize = 4096;
/// Number of candidates that one thread lists at a time.
const PART: usize = 96;
/// Number of candidates from which the length of the lists is estimated.
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
    /// For every row a distance: the row is in the lists of all candidates of the window that are nearer than this.
    reach: Vec<f32>,
    /// All rows, sorted by cluster: a block of rows and a block of candidates then have either many near pairs or none,
    /// and the rows of near pairs stay in the cache.
    order: Vec<u32>,
    /// The position of each row in `order`.
    place: Vec<u32>,
    bytes: usize,
    max_bytes: usize,
}

impl Neighbours {
    /// Expected bytes of the list of one candidate.
    pub(super) fn expected_bytes(space: &Space, reach: &[f32]) -> usize {
        let step = space.pool().div_ceil(SAMPLE);
        let sample: Vec<u32> = (0..space.pool()).step_by(step).map(|i| i as u32).collect();
        let mut lists = vec![Vec::new(); sample.len()];
        extend(space, &sample, &mut lists, &range(0, space.pool()), None, reach);
        let neighbours: usize = lists.iter().map(Vec::len).sum();
        let each = neighbours.div_ceil(sample.len()) * size_of::<Neighbour>();
        // Lists keep room to grow, and become longer when second nearest medoids move away.
        size_of::<Vec<Neighbour>>() + each + each / 2
    }

    /// No lists yet; all together may take `max_bytes`.
    pub(super) fn new(pool: usize, max_bytes: usize) -> Self {
        let zeros = || vec![0; pool];
        Self {
            window: 0..0,
            lists: Vec::new(),
            reach: vec![0.0; pool],
            order: zeros(),
            place: zeros(),
            bytes: 0,
            max_bytes,
        }
    }

    /// Candidates whose lists exist.
    pub(super) fn window(&self) -> Range<usize> {
        self.window.clone()
    }

    /// The neighbours of a candidate of the window, in an unspecified but reproducible order.
    pub(super) fn of(&self, candidate: usize) -> &[Neighbour] {
        &self.lists[candidate - self.window.start]
    }

    /// Drop all lists and begin a window at `first`, for the current two nearest medoids of each row.
    pub(super) fn restart(&mut self, first: usize, nearest: &[Two]) {
        self.lists.clear();
        (self.window, self.bytes) = (first..first, 0);
        self.reach = nearest.iter().map(|two| two.second_distance).collect();
        self.order = range(0, nearest.len());
        self.order.sort_by_key(|&row| nearest[row as usize].near);
        self.order.iter().enumerate().for_each(|(place, &row)| self.place[row as usize] = place as u32);
    }

    /// List the neighbours of up to `count` more candidates: fewer if memory is short, but at least one in an empty
    /// window.
    pub(super) fn grow(&mut self, space: &Space, count: usize) {
        let before = self.lists.len();
        let mut candidates = range(self.window.end, count.min(space.pool() - self.window.end));
        candidates.sort_unstable_by_key(|&candidate| self.place[candidate as usize]);
        let mut lists = vec![Vec::new(); candidates.len()];
        for rows in self.order.chunks(SEGMENT) {
            let reach: Vec<f32> = rows.iter().map(|&row| self.reach[row as usize]).collect();
            extend(space, &candidates, &mut lists, rows, None, &reach);
        }
        self.lists.resize_with(before + candidates.len(), Vec::new);
        for (&candidate, list) in candidates.iter().zip(lists) {
            self.lists[candidate as usize - self.window.start] = list;
        }
        self.window.end += candidates.len();
        self.bytes += self.lists[before..].iter().map(bytes).sum::<usize>();
        self.shrink();
    }

    /// Whether `count` more lists are expected to fit into memory.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.bytes + self.bytes / self.lists.len().max(1) * count <= self.max_bytes
    }

    /// Drop lists from the end until the others fit into memory.
    fn shrink(&mut self) {
        while self.bytes > self.max_bytes && self.lists.len() > 1 {
            self.bytes -= self.lists.pop().map_or(0, |list| bytes(&list));
            self.window.end -= 1;
        }
    }

    /// Whether a row is in all the lists that a second nearest medoid at `distance` requires.
    pub(super) fn reaches(&self, row: usize, distance: f32) -> bool {
        distance <= self.reach[row]
    }

    /// Add rows to further lists, up to a new reach of each row.
    pub(super) fn widen(&mut self, space: &Space, rows: &[u32], reach: &[f32]) {
        let candidates = range(self.window.start, self.window.len());
        let old: Vec<f32> = rows.iter().map(|&row| self.reach[row as usize]).collect();
        extend(space, &candidates, &mut self.lists, rows, Some(&old), reach);
        for (&row, &reach) in rows.iter().zip(reach) {
            self.reach[row as usize] = reach;
        }
        self.bytes = self.lists.iter().map(bytes).sum();
        self.shrink();
    }
}

/// Add rows to the lists of the candidates that are nearer than `reach` but not nearer than the old reach.
fn extend(
    space: &Space,
    candidates: &[u32],
    lists: &mut [Vec<Neighbour>],
    rows: &[u32],
    old: Option<&[f32]>,
    reach: &[f32],
) {
    let packed = space.screen.pack(rows.to_vec());
    lists.par_chunks_mut(PART).zip(candidates.par_chunks(PART)).for_each(|(lists, candidates)| {
        space.screen.within(candidates, &packed, Radii::OfPacked(reach), |candidate, position| {
            let row = rows[position];
            let distance = space.points.distance(candidates[candidate] as usize, row as usize);
            if distance < reach[position] && old.is_none_or(|old| distance >= old[position]) {
                push(&mut lists[candidate], Neighbour { row, distance });
            }
        });
    });
}

fn bytes(list: &Vec<Neighbour>) -> usize {
    size_of::<Vec<Neighbour>>() + list.capacity() * size_of::<Neighbour>()
}

/// Append to a list whose capacity grows by a quarter instead of doubling.
fn push(list: &mut Vec<Neighbour>, neighbour: Neighbour) {
    if list.len() == list.capacity() {
        list.reserve_exact(32 + list.len() / 4);
    }
    list.push(neighbour);
}
