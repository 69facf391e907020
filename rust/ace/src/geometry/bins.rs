//! The bins that atoms are sorted into, along three axes: the periodic cell vectors, completed by normal vectors.

use super::structure::Structure;
use super::vector::{Vector, cross, dot, norm, scale, subtract};
use crate::error::StructureProblem;

/// A cell vector counts as dependent if its part outside the span of those before it is a smaller fraction of its
/// length.
const SINGULAR: f64 = 1e-10;

/// Largest number of bins to either side of an atom along a periodic axis. More are a mistake in the cell.
const MAX_REACH: f64 = 1e4;

/// Largest number of bins around an atom, those of periodic images included. More are a mistake in the cell.
const MAX_VISITS: f64 = 1e7;

/// A range of consecutive bins in one periodic image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) image: f64,
}

/// The bins along one axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    periodic: bool,
    /// The scalar product of this with a position is the coordinate along the axis.
    reciprocal: Vector,
    /// First coordinate and extent of all bins: of the cell along a periodic axis, of the atoms along others.
    low: f64,
    length: f64,
    pub(crate) n_bins: usize,
    /// For each bin, the bins that can hold neighbours of its atoms.
    pub(crate) near: Vec<Vec<Run>>,
}

/// The vectors of the axes, and their bins: about as wide as the cutoff, and not many more than there are atoms.
pub(crate) fn make_bins(structure: &Structure<'_>, cutoff: f64) -> Result<([Vector; 3], [Axis; 3]), StructureProblem> {
    let vectors = complete(structure)?;
    let mut axes = [0, 1, 2].map(|k| Axis::new(k, structure, &vectors));
    let most = (structure.len() + 8) as f64;
    let mut n_bins = [0, 1, 2].map(|k: usize| (axes[k].height() / cutoff).floor().clamp(1.0, most));
    while n_bins.iter().product::<f64>() > most {
        let finest = (0..3).max_by(|&a, &b| n_bins[a].total_cmp(&n_bins[b])).unwrap_or(0);
        n_bins[finest] = (n_bins[finest] / 2.0).ceil();
    }
    let too_dense = || StructureProblem::TooDense { cell: structure.cell, cutoff };
    for (axis, n_bins) in axes.iter_mut().zip(n_bins) {
        axis.n_bins = n_bins as usize;
        // Slightly more than the cutoff, so that no neighbour is lost to the rounding of a coordinate.
        let reach = (cutoff * (1.0 + 1e-9) * n_bins / axis.height()).ceil();
        if axis.periodic && reach > MAX_REACH {
            return Err(too_dense());
        }
        axis.find_near(reach);
    }
    if axes.iter().map(Axis::n_visits).product::<f64>() > MAX_VISITS {
        return Err(too_dense());
    }
    Ok((vectors, axes))
}

/// The periodic cell vectors; along other axes, unit vectors normal to all others.
fn complete(structure: &Structure<'_>) -> Result<[Vector; 3], StructureProblem> {
    let Structure { cell, pbc, .. } = *structure;
    let mut vectors = cell;
    let mut span: Vec<Vector> = Vec::with_capacity(3);
    for k in (0..3).filter(|&k| pbc[k]) {
        let rest = outside(&span, cell[k]);
        let length = norm(rest);
        if length == 0.0 || length < SINGULAR * norm(cell[k]) {
            return Err(StructureProblem::SingularCell { pbc, cell });
        }
        span.push(scale(rest, 1.0 / length));
    }
    for k in (0..3).filter(|&k| !pbc[k]) {
        let rests = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|unit| outside(&span, unit));
        let longest = rests.into_iter().fold(rests[0], |a, b| if norm(b) > norm(a) { b } else { a });
        vectors[k] = scale(longest, 1.0 / norm(longest));
        span.push(vectors[k]);
    }
    Ok(vectors)
}

/// The part of a vector outside the span of orthonormal vectors.
fn outside(span: &[Vector], vector: Vector) -> Vector {
    span.iter().fold(vector, |rest, &unit| subtract(rest, scale(unit, dot(rest, unit))))
}

impl Axis {
    fn new(k: usize, structure: &Structure<'_>, vectors: &[Vector; 3]) -> Self {
        let normal = cross(vectors[(k + 1) % 3], vectors[(k + 2) % 3]);
        let reciprocal = scale(normal, 1.0 / dot(vectors[k], normal));
        let periodic = structure.pbc[k];
        let (low, high) = if periodic {
            (0.0, 1.0)
        } else {
            let coordinates = structure.positions.iter().map(|&position| dot(reciprocal, position));
            coordinates.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), c| (low.min(c), high.max(c)))
        };
        let length = (high - low).max(f64::MIN_POSITIVE);
        Self { periodic, reciprocal, low, length, n_bins: 1, near: Vec::new() }
    }

    /// Distance between the planes that bound the bins.
    fn height(&self) -> f64 {
        self.length / norm(self.reciprocal)
    }

    /// The bin of a position, and the number of cell vectors by which it lies outside the cell.
    pub(crate) fn locate(&self, position: Vector) -> (usize, f64) {
        let coordinate = dot(self.reciprocal, position);
        let wrap = if self.periodic { coordinate.floor() } else { 0.0 };
        let fraction = (coordinate - wrap - self.low) / self.length;
        // Rounding can place an atom at the upper end. The cast turns negative numbers and NaN into 0.
        let bin = (fraction * self.n_bins as f64) as usize;
        (bin.min(self.n_bins - 1), wrap)
    }

    /// For each bin, finds the bins up to `reach` away, image by image.
    fn find_near(&mut self, reach: f64) {
        let n = self.n_bins as i64;
        // Without periodicity nothing lies beyond the ends.
        let reach = if self.periodic { reach } else { reach.min(n as f64) } as i64;
        let runs = |bin: i64| {
            let (mut low, mut high) = (bin - reach, bin + reach);
            if !self.periodic {
                (low, high) = (low.max(0), high.min(n - 1));
            }
            let run = |image: i64| Run {
                first: (low - image * n).max(0) as usize,
                last: (high - image * n).min(n - 1) as usize,
                image: image as f64,
            };
            (low.div_euclid(n)..=high.div_euclid(n)).map(run).collect()
        };
        self.near = (0..n).map(runs).collect();
    }

    /// The largest number of bins along this axis that a query visits.
    fn n_visits(&self) -> f64 {
        let visits = |runs: &Vec<Run>| -> usize { runs.iter().map(|run| run.last - run.first + 1).sum() };
        self.near.iter().map(visits).max().unwrap_or(0) as f64
    }
}
