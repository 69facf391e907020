//! Distances between rows, and the searches that avoid most of them.

use rayon::prelude::*;

use super::points::Points;
use crate::data::rows::Rows;
use crate::data::scratch::Place;
use crate::distance::screen::{Radii, Screen};
use crate::error::Result;

/// Index of the core, which acts like a medoid that is never replaced; without a core it means "none".
pub(super) const CORE: u32 = u32::MAX;

/// The two nearest centres of a row: their positions in the set of centres, and their distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Two {
    pub(super) near: u32,
    pub(super) second: u32,
    pub(super) near_distance: f32,
    pub(super) second_distance: f32,
}

impl Two {
    /// The core as both centres: a centre that is farther than the core never counts.
    pub(super) fn core(distance: f32) -> Self {
        Self { near: CORE, second: CORE, near_distance: distance, second_distance: distance }
    }

    /// Insert a centre if it is among the two nearest.
    #[inline]
    pub(super) fn insert(&mut self, centre: u32, distance: f32) {
        if distance < self.near_distance {
            (self.second, self.second_distance) = (self.near, self.near_distance);
            (self.near, self.near_distance) = (centre, distance);
        } else if distance < self.second_distance {
            (self.second, self.second_distance) = (centre, distance);
        }
    }
}

/// The rows of pool and core, with the distances between them.
pub(super) struct Space {
    pub(super) points: Points,
    pub(super) screen: Screen,
    pool: usize,
}

impl Space {
    /// Bytes of `len` rows.
    pub(super) fn bytes(len: usize, dim: usize) -> usize {
        Points::bytes(len, dim) + Screen::bytes(len, dim)
    }

    pub(super) fn new(pool: &dyn Rows, core: &dyn Rows) -> Result<Self> {
        let points = Points::new(pool, core)?;
        let screen = Screen::new(&points, Place::Memory)?;
        Ok(Self { points, screen, pool: pool.len() })
    }

    /// Number of rows of the pool, which come before those of the core.
    pub(super) fn pool(&self) -> usize {
        self.pool
    }

    /// The distance of every row of the pool to the nearest row of the core, infinite without a core.
    pub(super) fn core_distances(&self) -> Vec<f32> {
        let core: Vec<u32> = (self.pool..self.points.len()).map(|i| i as u32).collect();
        let mut nearest = vec![if core.is_empty() { f32::INFINITY } else { self.points.diameter() }; self.pool];
        self.lower(&mut nearest, &core);
        nearest
    }

    /// Lower the distance of every row of the pool to that of the nearest of `others`.
    pub(super) fn lower(&self, distances: &mut [f32], others: &[u32]) {
        let packed = self.screen.pack(others.to_vec());
        let block = self.screen.block();
        distances.par_chunks_mut(block).enumerate().for_each(|(chunk, distances)| {
            let rows = range(chunk * block, distances.len());
            let radii = distances.to_vec();
            self.screen.within(&rows, &packed, Radii::OfRows(&radii), |row, other| {
                let distance = self.points.distance(rows[row] as usize, others[other] as usize);
                distances[row] = distances[row].min(distance);
            });
        });
    }

    /// The two nearest centres of each row, among `centres` and the core at the given distance.
    pub(super) fn two_nearest(&self, rows: &[u32], core: impl Fn(u32) -> f32 + Sync, centres: &[u32]) -> Vec<Two> {
        let block = self.screen.block();
        let mut out = vec![Two::core(0.0); rows.len()];
        // A few centres at a time: the nearest of the first ones rule out many of the others.
        let packed: Vec<_> = centres.chunks(32).map(|centres| self.screen.pack(centres.to_vec())).collect();
        out.par_chunks_mut(block).zip(rows.par_chunks(block)).for_each(|(out, rows)| {
            out.iter_mut().zip(rows).for_each(|(out, &row)| *out = Two::core(core(row)));
            let mut radii = vec![0.0; rows.len()];
            let mut first = 0;
            for packed in &packed {
                let known = self.points.diameter();
                radii.iter_mut().zip(&*out).for_each(|(radius, two)| *radius = two.second_distance.min(known));
                self.screen.within(rows, packed, Radii::OfRows(&radii), |row, centre| {
                    let other = packed.indices()[centre] as usize;
                    out[row].insert((first + centre) as u32, self.points.distance(rows[row] as usize, other));
                });
                first += packed.indices().len();
            }
        });
        out
    }
}

/// `count` indices from `first`.
pub(super) fn range(first: usize, count: usize) -> Vec<u32> {
    (first..first + count).map(|i| i as u32).collect()
}
