//! The first medoids, chosen one after the other.

use super::build::Build;
use super::lab::Lab;
use super::plusplus::PlusPlus;
use super::space::Space;

/// How the first medoids are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// BUILD: greedily, each the best of all rows.
    Build,
    /// LAB: greedily, each the best of a few random rows.
    Lab {
        /// Seed of the draws.
        seed: u64,
    },
    /// k-medoids++: drawn with probabilities proportional to the distance to the nearest medoid so far.
    PlusPlus {
        /// Seed of the draws.
        seed: u64,
    },
}

/// The state of the choice of the first medoids.
pub(super) struct Starting {
    method: Method,
    /// Distance of every row to the nearest of the core and the medoids so far.
    charges: Vec<f32>,
    medoids: Vec<u32>,
}

enum Method {
    Build(Build),
    Lab(Lab),
    PlusPlus(PlusPlus),
}

impl Starting {
    /// Choose from the rows that are not `closed`; `core` holds the distance of every row to the core, infinite
    /// without one.
    pub(super) fn new(space: &Space, core: &[f32], closed: &[bool], start: Start) -> Self {
        let open = closed.iter().enumerate().filter(|(_, closed)| !**closed).map(|(row, _)| row as u32);
        let method = match start {
            Start::Build => Method::Build(Build::new(open)),
            Start::Lab { seed } => Method::Lab(Lab::new(open, space.pool(), seed)),
            Start::PlusPlus { seed } => Method::PlusPlus(PlusPlus::new(open, seed)),
        };
        // Without a core all rows have the same charge, which exceeds any distance.
        let charges = core.iter().map(|&c| c.min(space.points.diameter())).collect();
        Self { method, charges, medoids: Vec::new() }
    }

    /// Choose one more medoid or, if that takes long, do a part of the work.
    pub(super) fn advance(&mut self, space: &Space) {
        let found = match &mut self.method {
            Method::Build(build) => build.look(space, &self.charges),
            Method::Lab(lab) => lab.draw(space, &self.charges),
            Method::PlusPlus(plusplus) => plusplus.draw(&self.charges),
        };
        if let Some(medoid) = found {
            space.lower(&mut self.charges, &[medoid]);
            self.medoids.push(medoid);
        }
    }

    /// Distance of every row to the nearest of the core and the medoids so far.
    pub(super) fn charges(&self) -> &[f32] {
        &self.charges
    }

    pub(super) fn medoids(&self) -> &[u32] {
        &self.medoids
    }
}
