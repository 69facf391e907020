//! All neighbours within a cutoff, periodic images included, at a cost linear in the number of atoms.
//!
//! Atoms are wrapped into the cell and sorted into bins; a query visits the bins around an atom, over as many
//! periodic images as the cutoff reaches. Directions that are not periodic get a vector of their own, normal to the
//! rest, and bins that span the atoms. The handedness of the cell does not matter.

use crate::error::{Error, StructureProblem};
use crate::structure::Structure;

/// A cell vector is not independent of those before it if so little of its length points out of their span.
const SINGULAR: f64 = 1e-10;

/// More bins, periodic images counted, than this around one atom are a mistake in the cell or in the cutoff.
const MAX_REACH: f64 = 1e7;

/// One atom near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index of the atom.
    pub atom: usize,
    /// Periodic image: how often each cell vector is added to the position of that atom.
    pub shift: [i64; 3],
    /// From the atom asked about to this image, in Å.
    pub vector: [f64; 3],
}

/// Atoms sorted into bins, to be asked for neighbours.
#[derive(Debug, Clone)]
pub struct CellList {
    cutoff_squared: f64,
    vectors: [[f64; 3]; 3],
    axes: [Axis; 3],
    /// Wrapped coordinates by bin, atoms of one bin in their order in the structure.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    /// For each place in that order, the index of the atom.
    atoms: Vec<usize>,
    /// For each atom, its place in that order, its bin along each axis, and how often each vector was taken off.
    homes: Vec<Home>,
    /// For each bin, the place of its first atom; one more at the end.
    starts: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Home {
    place: usize,
    bins: [usize; 3],
    wraps: [f64; 3],
}

/// A stretch of neighbouring bins in one periodic image.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: usize,
    last: usize,
    image: f64,
}

/// The bins along one axis.
#[derive(Debug, Clone)]
struct Axis {
    periodic: bool,
    /// Dotted with a position, the coordinate along this axis; length 1 / height of the cell.
    reciprocal: [f64; 3],
    low: f64,
    length: f64,
    n_bins: usize,
    /// For each bin, the bins within reach.
    near: Vec<Vec<Run>>,
}

/// Memory for queries, to be used again.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    places: Vec<usize>,
}

impl CellList {
    /// Sorts the atoms of a structure into bins.
    ///
    /// # Errors
    ///
    /// A position or the cell is not finite, periodic vectors are zero or not independent, or so many images are within
    /// the cutoff that the cell must be wrong.
    pub fn new(structure: &Structure<'_>, cutoff: f64) -> Result<Self, StructureProblem> {
        structure.check_finite()?;
        let vectors = complete(structure)?;
        let positions = structure.positions;
        let mut axes = axes(structure, &vectors);
        limit_bins(&mut axes, cutoff, positions.len());
        for axis in &mut axes {
            axis.find_near(cutoff, structure)?;
        }
        let visits: f64 = axes.iter().map(Axis::n_visits).product();
        if visits > MAX_REACH {
            return Err(too_dense(structure, cutoff));
        }

        let mut homes: Vec<Home> = positions
            .iter()
            .map(|&position| home(&axes, position))
            .collect();
        let bin = |home: &Home| {
            (home.bins[2] * axes[1].n_bins + home.bins[1]) * axes[0].n_bins + home.bins[0]
        };
        let n_bins: usize = axes.iter().map(|axis| axis.n_bins).product();
        let mut starts = vec![0; n_bins + 1];
        homes.iter().for_each(|home| starts[bin(home) + 1] += 1);
        for k in 0..n_bins {
            starts[k + 1] += starts[k];
        }
        let n = positions.len();
        let (mut x, mut y, mut z) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let mut atoms = vec![0; n];
        let mut next = starts.clone();
        for (atom, home) in homes.iter_mut().enumerate() {
            let place = &mut next[bin(home)];
            home.place = *place;
            let unwrap = home.wraps.map(|wrap| -wrap);
            let wrapped = add(positions[atom], image_vector(&vectors, unwrap));
            [x[*place], y[*place], z[*place]] = wrapped;
            atoms[*place] = atom;
            *place += 1;
        }
        Ok(Self {
            cutoff_squared: cutoff * cutoff,
            vectors,
            axes,
            x,
            y,
            z,
            atoms,
            homes,
            starts,
        })
    }

    /// Visits every neighbour of an atom closer than the cutoff, in an order that depends on the structure only.
    pub fn for_each(&self, atom: usize, hits: &mut Hits, mut visit: impl FnMut(Neighbour)) {
        let home = self.homes[atom];
        let [x_axis, y_axis, z_axis] = &self.axes;
        let [bin_x, bin_y, bin_z] = home.bins;
        for z_run in &z_axis.near[bin_z] {
            for z in z_run.first..=z_run.last {
                for y_run in &y_axis.near[bin_y] {
                    for y in y_run.first..=y_run.last {
                        let row = (z * y_axis.n_bins + y) * x_axis.n_bins;
                        for x_run in &x_axis.near[bin_x] {
                            let places =
                                self.starts[row + x_run.first]..self.starts[row + x_run.last + 1];
                            let image = [x_run.image, y_run.image, z_run.image];
                            self.search(home, places, image, hits, &mut visit);
                        }
                    }
                }
            }
        }
    }

    /// Visits those of the given places that are within the cutoff.
    #[inline(always)]
    fn search(
        &self,
        home: Home,
        places: std::ops::Range<usize>,
        image: [f64; 3],
        hits: &mut Hits,
        visit: &mut impl FnMut(Neighbour),
    ) {
        let origin = [self.x[home.place], self.y[home.place], self.z[home.place]];
        let offset = subtract(image_vector(&self.vectors, image), origin);
        if hits.places.len() < places.len() {
            hits.places.resize(places.len(), 0);
        }
        // Every candidate is written and the count moves on only for a hit: no branch to mispredict.
        let mut n_hits = 0;
        let first = places.start;
        let candidates = self.x[places.clone()]
            .iter()
            .zip(&self.y[places.clone()])
            .zip(&self.z[places]);
        for (k, ((x, y), z)) in candidates.enumerate() {
            let d = [x + offset[0], y + offset[1], z + offset[2]];
            hits.places[n_hits] = first + k;
            n_hits += usize::from(dot(d, d) < self.cutoff_squared);
        }
        for &place in &hits.places[..n_hits] {
            if place == home.place && image == [0.0; 3] {
                continue;
            }
            let atom = self.atoms[place];
            let wraps = self.homes[atom].wraps;
            visit(Neighbour {
                atom,
                shift: std::array::from_fn(|k| (image[k] - wraps[k] + home.wraps[k]) as i64),
                vector: add([self.x[place], self.y[place], self.z[place]], offset),
            });
        }
    }
}

/// All ordered pairs of atoms closer than the cutoff, sorted by first atom, second atom and image.
///
/// # Errors
///
/// As [`CellList::new`], for structure 0; or the cutoff is not positive and finite.
pub fn neighbor_list(
    structure: &Structure<'_>,
    cutoff: f64,
) -> Result<Vec<(usize, Neighbour)>, Error> {
    if !(cutoff.is_finite() && cutoff > 0.0) {
        return Err(Error::Cutoff { given: cutoff });
    }
    let cells = CellList::new(structure, cutoff).map_err(|problem| problem.at(0))?;
    let mut hits = Hits::default();
    let mut pairs = Vec::new();
    for atom in 0..structure.len() {
        let start = pairs.len();
        cells.for_each(atom, &mut hits, |neighbour| pairs.push((atom, neighbour)));
        pairs[start..].sort_unstable_by_key(|(_, neighbour)| (neighbour.atom, neighbour.shift));
    }
    Ok(pairs)
}

impl Axis {
    /// For each bin, the bins that the cutoff reaches from it, image by image.
    fn find_near(
        &mut self,
        cutoff: f64,
        structure: &Structure<'_>,
    ) -> Result<(), StructureProblem> {
        let height = self.length / norm(self.reciprocal);
        // A shade more than the cutoff, so that rounding of a coordinate loses nothing.
        let reach = (cutoff * (1.0 + 1e-9) * self.n_bins as f64 / height).ceil();
        if self.periodic && reach > MAX_REACH {
            return Err(too_dense(structure, cutoff));
        }
        let n = self.n_bins as i64;
        // Without periodicity nothing lies beyond the ends.
        let reach = reach.min(if self.periodic { MAX_REACH } else { n as f64 }) as i64;
        let runs = |bin: i64| {
            let (mut low, mut high) = (bin - reach, bin + reach);
            if !self.periodic {
                (low, high) = (low.max(0), high.min(n - 1));
            }
            (low.div_euclid(n)..=high.div_euclid(n))
                .map(|image| Run {
                    first: (low - image * n).max(0) as usize,
                    last: (high - image * n).min(n - 1) as usize,
                    image: image as f64,
                })
                .collect()
        };
        self.near = (0..n).map(runs).collect();
        Ok(())
    }

    /// How many bins along this axis a query visits.
    fn n_visits(&self) -> f64 {
        let visits =
            |runs: &Vec<Run>| -> usize { runs.iter().map(|run| run.last - run.first + 1).sum() };
        self.near.iter().map(visits).max().unwrap_or(0) as f64
    }

    /// The bin of a position, and how many cell vectors away it is from the cell.
    fn locate(&self, position: [f64; 3]) -> (usize, f64) {
        let coordinate = dot(self.reciprocal, position);
        let wrap = if self.periodic {
            coordinate.floor()
        } else {
            0.0
        };
        let fraction = (coordinate - wrap - self.low) / self.length;
        // Rounding can put an atom on the far end; the cast of a negative or undefined number is 0.
        let bin = (fraction * self.n_bins as f64) as usize;
        (bin.min(self.n_bins - 1), wrap)
    }
}

fn home(axes: &[Axis; 3], position: [f64; 3]) -> Home {
    let located = [0, 1, 2].map(|k: usize| axes[k].locate(position));
    Home {
        place: 0,
        bins: located.map(|(bin, _)| bin),
        wraps: located.map(|(_, wrap)| wrap),
    }
}

/// The cell vectors, with unit vectors normal to all others where there is no periodicity.
fn complete(structure: &Structure<'_>) -> Result<[[f64; 3]; 3], StructureProblem> {
    let Structure { cell, pbc, .. } = *structure;
    let mut vectors = cell;
    let mut span: Vec<[f64; 3]> = Vec::new();
    for k in (0..3).filter(|&k| pbc[k]) {
        let rest = outside(&span, cell[k]);
        let length = norm(rest);
        if length == 0.0 || length < SINGULAR * norm(cell[k]) {
            return Err(StructureProblem::SingularCell { pbc, cell });
        }
        span.push(rest.map(|r| r / length));
    }
    for k in (0..3).filter(|&k| !pbc[k]) {
        let units = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let rests = units.map(|unit| outside(&span, unit));
        let longest = rests
            .into_iter()
            .max_by(|a, b| norm(*a).total_cmp(&norm(*b)));
        let rest = longest.unwrap_or(units[k]);
        vectors[k] = rest.map(|r| r / norm(rest));
        span.push(vectors[k]);
    }
    Ok(vectors)
}

/// What is left of a vector without its part in the span of orthonormal vectors.
fn outside(span: &[[f64; 3]], vector: [f64; 3]) -> [f64; 3] {
    span.iter().fold(vector, |rest, unit| {
        let along = dot(rest, *unit);
        subtract(rest, unit.map(|u| u * along))
    })
}

/// One bin along each axis, over the cell or over the atoms.
fn axes(structure: &Structure<'_>, vectors: &[[f64; 3]; 3]) -> [Axis; 3] {
    std::array::from_fn(|k| {
        let normal = cross(vectors[(k + 1) % 3], vectors[(k + 2) % 3]);
        let volume = dot(vectors[k], normal);
        let reciprocal = normal.map(|n| n / volume);
        let periodic = structure.pbc[k];
        let (mut low, mut high) = (0.0, 1.0);
        if !periodic {
            (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
            for position in structure.positions {
                let coordinate = dot(reciprocal, *position);
                (low, high) = (low.min(coordinate), high.max(coordinate));
            }
        }
        Axis {
            periodic,
            reciprocal,
            low,
            length: (high - low).max(f64::MIN_POSITIVE),
            n_bins: 1,
            near: Vec::new(),
        }
    })
}

/// Bins about as wide as the cutoff, but not many more of them than atoms.
fn limit_bins(axes: &mut [Axis; 3], cutoff: f64, n_atoms: usize) {
    let most = (n_atoms + 8) as f64;
    let heights = [0, 1, 2].map(|k: usize| axes[k].length / norm(axes[k].reciprocal));
    let mut bins = heights.map(|height| (height / cutoff).floor().clamp(1.0, most));
    while bins.iter().product::<f64>() > most {
        let widest = (0..3)
            .max_by(|&a, &b| bins[a].total_cmp(&bins[b]))
            .unwrap_or(0);
        bins[widest] = (bins[widest] / 2.0).ceil();
    }
    for (axis, bins) in axes.iter_mut().zip(bins) {
        axis.n_bins = bins as usize;
    }
}

fn too_dense(structure: &Structure<'_>, cutoff: f64) -> StructureProblem {
    StructureProblem::TooDense {
        cell: structure.cell,
        cutoff,
    }
}

fn image_vector(vectors: &[[f64; 3]; 3], image: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|k| {
        image[0] * vectors[0][k] + image[1] * vectors[1][k] + image[2] * vectors[2][k]
    })
}

fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn subtract(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}
