//! All neighbours within a cutoff, periodic images included, at a cost linear in the number of atoms.
//!
//! Atoms are wrapped into the cell and sorted into bins. A query visits the bins around an atom, in as many periodic
//! images as the cutoff reaches. Directions without periodicity get a unit vector normal to the others, and bins that
//! span the atoms. The handedness of the cell does not matter.

use super::bins::{Axis, make_bins};
use super::structure::Structure;
use super::vector::{Vector, add, combine, dot, scale, subtract};
use crate::error::{Error, StructureProblem};

/// One atom near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index of the atom.
    pub atom: usize,
    /// Periodic image: the multiple of each cell vector that is added to the position of the atom.
    pub shift: [i64; 3],
    /// Vector from the central atom to this image, in Å.
    pub vector: [f64; 3],
}

/// The atoms of a structure sorted into bins, for queries of neighbours.
#[derive(Debug, Clone)]
pub struct CellList {
    cutoff_squared: f64,
    vectors: [Vector; 3],
    axes: [Axis; 3],
    /// Wrapped coordinates, sorted by bin; atoms of one bin in their order in the structure.
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
    /// For each place in the sorted order, the index of the atom.
    atoms: Vec<usize>,
    /// For each atom, its place in the sorted order.
    homes: Vec<Home>,
    /// For each bin, the place of its first atom; one more at the end.
    starts: Vec<usize>,
}

/// The place of an atom in the sorted order.
#[derive(Debug, Clone, Copy)]
struct Home {
    place: usize,
    /// Bin along each axis.
    bins: [usize; 3],
    /// Multiple of each vector that wrapping subtracted from the position.
    wraps: Vector,
}

/// Workspace for queries.
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
        let (vectors, axes) = make_bins(structure, cutoff)?;
        let positions = structure.positions;
        let home = |&position: &Vector| {
            let located = [0, 1, 2].map(|k: usize| axes[k].locate(position));
            Home { place: 0, bins: located.map(|(bin, _)| bin), wraps: located.map(|(_, wrap)| wrap) }
        };
        let mut homes: Vec<Home> = positions.iter().map(home).collect();
        let bin = |home: &Home| (home.bins[2] * axes[1].n_bins + home.bins[1]) * axes[0].n_bins + home.bins[0];
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
            let unwrap = combine(&vectors, scale(home.wraps, -1.0));
            [x[*place], y[*place], z[*place]] = add(positions[atom], unwrap);
            atoms[*place] = atom;
            *place += 1;
        }
        Ok(Self { cutoff_squared: cutoff * cutoff, vectors, axes, x, y, z, atoms, homes, starts })
    }

    /// Calls `visit` for every neighbour of an atom within the cutoff, in an order that depends on the structure only.
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
                            let places = self.starts[row + x_run.first]..self.starts[row + x_run.last + 1];
                            let image = [x_run.image, y_run.image, z_run.image];
                            self.search(home, places, image, hits, &mut visit);
                        }
                    }
                }
            }
        }
    }

    /// Visits the atoms at some places, in one periodic image, that are within the cutoff.
    #[inline(always)]
    fn search(
        &self,
        home: Home,
        places: std::ops::Range<usize>,
        image: Vector,
        hits: &mut Hits,
        visit: &mut impl FnMut(Neighbour),
    ) {
        let origin = [self.x[home.place], self.y[home.place], self.z[home.place]];
        let offset = subtract(combine(&self.vectors, image), origin);
        if hits.places.len() < places.len() {
            hits.places.resize(places.len(), 0);
        }
        // Every candidate is written, and only a hit moves the count: there is no branch to mispredict.
        let mut n_hits = 0;
        let first = places.start;
        let candidates = self.x[places.clone()].iter().zip(&self.y[places.clone()]).zip(&self.z[places]);
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
/// Those of [`CellList::new`], reported for structure 0; or the cutoff is not positive and finite.
pub fn neighbor_list(structure: &Structure<'_>, cutoff: f64) -> Result<Vec<(usize, Neighbour)>, Error> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vector::norm;
    use super::*;

    /// Every pair by trying all images that could matter.
    fn brute_force(structure: &Structure<'_>, cutoff: f64, images: i64) -> Vec<(usize, usize, [i64; 3])> {
        let mut pairs = Vec::new();
        let range = |k: usize| if structure.pbc[k] { -images..=images } else { 0..=0 };
        for (i, &a) in structure.positions.iter().enumerate() {
            for (j, &b) in structure.positions.iter().enumerate() {
                for s0 in range(0) {
                    for s1 in range(1) {
                        for s2 in range(2) {
                            let shift = [s0, s1, s2];
                            let image = add(b, combine(&structure.cell, shift.map(|s| s as f64)));
                            if (i, shift) != (j, [0; 3]) && norm(subtract(image, a)) < cutoff {
                                pairs.push((i, j, shift));
                            }
                        }
                    }
                }
            }
        }
        pairs
    }

    proptest! {
        #[test]
        fn all_pairs_and_no_others(
            positions in prop::collection::vec(prop::array::uniform3(-6.0..9.0f64), 1..12),
            skew in prop::array::uniform3(-0.5..0.5f64),
            lengths in prop::array::uniform3(1.5..14.0f64),
            mirror: bool,
            pbc: [bool; 3],
            cutoff in 0.5..4.0f64,
        ) {
            let sign = if mirror { -1.0 } else { 1.0 };
            let cell = [
                [sign * lengths[0], 0.0, 0.0],
                [skew[0] * lengths[0], lengths[1], 0.0],
                [skew[1] * lengths[0], skew[2] * lengths[1], lengths[2]],
            ];
            let structure = Structure { positions: &positions, atomic_numbers: &[], cell, pbc };
            let pairs = neighbor_list(&structure, cutoff).unwrap();
            for (i, neighbour) in &pairs {
                let image = add(positions[neighbour.atom], combine(&cell, neighbour.shift.map(|s| s as f64)));
                prop_assert!(norm(subtract(subtract(image, positions[*i]), neighbour.vector)) < 1e-12);
            }
            let found: Vec<_> = pairs.iter().map(|(i, neighbour)| (*i, neighbour.atom, neighbour.shift)).collect();
            // Up to 15 Å and 4 Å over vectors of at least 1.5 Å, skewed by half of the others.
            prop_assert_eq!(found, brute_force(&structure, cutoff, 24));
        }
    }

    #[test]
    fn a_cell_much_smaller_than_the_cutoff() {
        let cubic = Structure {
            positions: &[[0.3, 0.2, 0.1]],
            atomic_numbers: &[],
            cell: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            pbc: [true; 3],
        };
        // Points of the integer lattice other than the origin with a squared length of at most 20.
        assert_eq!(neighbor_list(&cubic, 20.5f64.sqrt()).unwrap().len(), 388);
    }

    #[test]
    fn refusals() {
        let positions = [[0.0; 3], [1.0, 0.0, 0.0]];
        let refused = |cell: [[f64; 3]; 3], pbc| {
            let structure = Structure { positions: &positions, atomic_numbers: &[], cell, pbc };
            neighbor_list(&structure, 3.0).unwrap_err()
        };
        let structure = |problem: StructureProblem| problem.at(0);
        let zero = [[0.0; 3]; 3];
        let pbc = [false, true, false];
        assert_eq!(refused(zero, pbc), structure(StructureProblem::SingularCell { pbc, cell: zero }));
        let flat = [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let pbc = [true, true, false];
        assert_eq!(refused(flat, pbc), structure(StructureProblem::SingularCell { pbc, cell: flat }));
        let thin = [[1e-6, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let problem = StructureProblem::TooDense { cell: thin, cutoff: 3.0 };
        assert_eq!(refused(thin, [true; 3]), structure(problem));
        let free = Structure { positions: &positions, atomic_numbers: &[], cell: zero, pbc: [false; 3] };
        assert!(matches!(neighbor_list(&free, 0.0), Err(Error::Cutoff { .. })));
        assert_eq!(neighbor_list(&free, 3.0).unwrap().len(), 2);
    }
}
