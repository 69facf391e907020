//! Designs: the rows of features for the energy, the forces and the virial of a structure.
//!
//! Let J(i) be the derivatives of the features of atom i by its one-particle sums, and φ the one-particle functions.
//! The row of the force on atom k is J(k) Σ_j ∂φ(r_kj) - Σ_j J(j) ∂φ(r_jk). The J of all atoms are computed first. Then
//! each row is written once, by one thread.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::arithmetic::{Quad, Row, WIDTH};
use crate::basis::Channels;
use crate::derivatives::{Batch, CHUNK, Couplings, ForceRows, Jacobian, Memory, OneParticle, Plan, Sum, Term, target};
use crate::descriptor::{AceBasis, first_error};
use crate::error::{Error, StructureProblem};
use crate::geometry::Structure;
use crate::sites::{Scratch, Sites};

/// Number of atoms whose rows of forces one thread writes together. Their data fit into the second-level cache, and
/// they share the J of common neighbours that are read.
const ATOMS: usize = 24;

/// Workspaces that threads share during one call.
#[derive(Default)]
struct Pools {
    /// The derivatives by the one-particle sums, of all atoms of a structure.
    derivatives: Mutex<Vec<Vec<Row>>>,
    by_sums: Mutex<Vec<Couplings>>,
    chunks: Mutex<Vec<Memory>>,
}

impl AceBasis {
    /// Number of rows of a design: one for the energy, three for each atom, six for the virial.
    pub fn n_design_rows(n_atoms: usize) -> usize {
        1 + 3 * n_atoms + 6
    }

    /// Bytes of the design of a structure and of the derivatives that it is computed from.
    pub fn design_bytes(&self, n_atoms: usize) -> usize {
        let rows = Self::n_design_rows(n_atoms) * self.n_features() * size_of::<f64>();
        rows + self.jacobian().rows(n_atoms) * size_of::<Row>()
    }

    /// The rows of features for the energy, the forces and the virial of each structure, one structure after the other.
    ///
    /// The first row is that of the energy, the sum of the rows of the atoms. Three rows for each atom, those of its
    /// force, are minus the derivatives of the energy row by the position of the atom. Six rows for the virial are
    /// minus the derivatives by strain: xx, yy, zz, yz, xz, xy. The result is the same, bit for bit, for any number of
    /// threads.
    ///
    /// # Errors
    ///
    /// [`Error::Structure`] for the first structure that cannot be described; then some rows are written and some not.
    ///
    /// # Panics
    ///
    /// `rows` does not hold [`Self::n_design_rows`] rows for each structure.
    pub fn designs_into(&self, structures: &[Structure<'_>], rows: &mut [f64]) -> Result<(), Error> {
        let d = self.n_features();
        let n_rows: usize = structures.iter().map(|structure| Self::n_design_rows(structure.len())).sum();
        assert_eq!(rows.len(), n_rows * d, "expected {n_rows} rows of {d} numbers");
        let mut rest = rows;
        let mut jobs = Vec::with_capacity(structures.len());
        for structure in structures {
            let (rows, others) = rest.split_at_mut(Self::n_design_rows(structure.len()) * d);
            jobs.push((structure, rows));
            rest = others;
        }
        let pools = Pools::default();
        first_error(jobs.into_par_iter().map(|(structure, rows)| self.design(structure, &pools, rows)))
    }

    fn design(&self, structure: &Structure<'_>, pools: &Pools, rows: &mut [f64]) -> Result<(), StructureProblem> {
        let sites = self.visitor.prepare(structure)?;
        let d = self.n_features();
        let n = structure.len();
        let (energy, rows) = rows.split_at_mut(d);
        let (forces, virial) = rows.split_at_mut(3 * n * d);
        energy.fill(0.0);
        virial.fill(0.0);

        let mut derivatives = lock(&pools.derivatives).pop().unwrap_or_default();
        derivatives.resize(self.jacobian().rows(n), [Quad::ZERO; WIDTH]);
        let chunks = derivatives.par_chunks_mut(self.jacobian().rows(CHUNK)).enumerate().map(|(k, derivatives)| {
            let first = k * CHUNK;
            self.derive_by_sums(&sites, first..n.min(first + CHUNK), pools, derivatives)
        });
        for sums in chunks.collect::<Vec<_>>() {
            add(energy, &sums?);
        }
        let chunks = forces.par_chunks_mut(3 * ATOMS * d).enumerate().map(|(k, rows)| {
            let first = k * ATOMS;
            self.derive_by_positions(&sites, first..n.min(first + ATOMS), &derivatives, pools, rows)
        });
        for sums in chunks.collect::<Vec<_>>() {
            add(virial, &sums?);
        }
        lock(&pools.derivatives).push(derivatives);
        Ok(())
    }

    /// Computes the derivatives of the features of some atoms by their one-particle sums; returns the sum of the
    /// features.
    fn derive_by_sums(
        &self,
        sites: &Sites,
        atoms: Range<usize>,
        pools: &Pools,
        derivatives: &mut [Row],
    ) -> Result<Vec<f64>, StructureProblem> {
        let jacobian = self.jacobian();
        let mut by_sums = lock(&pools.by_sums).pop().unwrap_or_else(|| jacobian.memory(self.basis()));
        let mut features = vec![0.0; self.n_features()];
        let first = atoms.start;
        self.visitor.visit(sites, atoms, |lane_atoms, centre, scratch| {
            let Scratch { neighbourhoods, workspace, .. } = scratch;
            self.evaluator().evaluate(centre, neighbourhoods, workspace);
            // Lanes without an atom are zero.
            self.write(centre, workspace, &mut features, |pack| pack.sum());
            let places: Vec<usize> = lane_atoms.iter().map(|&atom| atom - first).collect();
            let of_centres = (&neighbourhoods.elements, &mut workspace.sums[..]);
            self.evaluator().differentiate_by_sums(jacobian, of_centres, &mut by_sums, &places, derivatives);
        })?;
        lock(&pools.by_sums).push(by_sums);
        Ok(features)
    }

    /// Writes the rows of the forces on some atoms; returns the contribution of these atoms to the virial.
    fn derive_by_positions(
        &self,
        sites: &Sites,
        atoms: Range<usize>,
        derivatives: &[Row],
        pools: &Pools,
        rows: &mut [f64],
    ) -> Result<Vec<f64>, StructureProblem> {
        let jacobian = self.jacobian();
        let basis = self.basis();
        let n_kinds = basis.n_kinds();
        let mut memory = lock(&pools.chunks).pop().unwrap_or_default();
        let Memory { batches, plan, .. } = &mut memory;
        let (first, n_atoms) = (atoms.start, atoms.len());
        plan.clear(basis.n_sets(), target(n_atoms + 2, 0, n_kinds));
        let (mut n_batches, mut n_points) = (0, 0);
        self.visitor.visit(sites, atoms, |lane_atoms, centre, scratch| {
            if n_batches == batches.len() {
                batches.push(Batch::default());
            }
            let Batch { centre: of_batch, one_particle, places, first_point } = &mut batches[n_batches];
            (*of_batch, *first_point) = (centre, n_points);
            places.clear();
            places.extend(lane_atoms.iter().map(|atom| atom - first));
            self.evaluator().differentiate_one_particle(centre, &scratch.neighbourhoods, one_particle);
            for (lane, &atom) in lane_atoms.iter().enumerate() {
                let site = Site { atom, lane, place: atom - first, first_point: n_points };
                if let Some(channels) = &basis.channels {
                    plan_channels(plan, jacobian, (channels, sites.elements[atom]), site, one_particle, scratch);
                } else {
                    plan_elements(plan, jacobian, [centre, n_kinds], site, one_particle, scratch);
                }
            }
            n_points += one_particle.n_points();
            n_batches += 1;
        })?;
        plan_moments(plan, jacobian, &batches[..n_batches], first..first + n_atoms, [n_kinds, basis.n_sets()]);

        let mut virial = vec![0.0; 6 * self.n_features()];
        let evaluator = self.evaluator();
        evaluator.instructions.run(ForceRows {
            evaluator,
            jacobian,
            derivatives,
            n_batches,
            memory: &mut memory,
            forces: rows,
            virial: &mut virial,
        });
        lock(&pools.chunks).push(memory);
        Ok(virial)
    }
}

/// An atom whose rows are written, with its lane, its place among these atoms, and the first point of its batch.
#[derive(Clone, Copy)]
struct Site {
    atom: usize,
    lane: usize,
    place: usize,
    first_point: usize,
}

/// Adds the sums for the force on an atom: its own features, in each element of neighbours, and those of its neighbours.
fn plan_elements(
    plan: &mut Plan,
    jacobian: &Jacobian,
    [centre, n_elements]: [usize; 2],
    Site { atom, lane, place, first_point }: Site,
    one_particle: &OneParticle,
    scratch: &Scratch,
) {
    let of_centre = target(place, centre, n_elements);
    for element in 0..n_elements {
        // The features of neighbours change with the position of the centre, and so do its own.
        let pulls = plan.extend(
            scratch
                .neighbours(element, lane)
                .map(|(slot, atom)| Term::new(jacobian, atom, first_point + one_particle.neighbour(slot, lane), lane)),
        );
        let own = plan.extend([Term::new(jacobian, atom, first_point + one_particle.own(element, lane), lane)]);
        let sum = Sum { pulls, weight: 1.0, own, target: of_centre, is_moment: false };
        if element == centre {
            plan.push(element, sum);
        } else {
            plan.push(centre, Sum { own: 0..0, target: target(place, element, n_elements), ..sum.clone() });
            plan.push(element, Sum { pulls: 0..0, ..sum });
        }
    }
}

/// Adds the sums for the force on an atom in each channel: those of its neighbours have the weight of its element.
fn plan_channels(
    plan: &mut Plan,
    jacobian: &Jacobian,
    (channels, element): (&Channels, usize),
    Site { atom, lane, place, first_point }: Site,
    one_particle: &OneParticle,
    scratch: &Scratch,
) {
    let pulls = plan.extend(
        scratch
            .neighbours(0, lane)
            .map(|(slot, atom)| Term::new(jacobian, atom, first_point + one_particle.neighbour(slot, lane), lane)),
    );
    for channel in 0..channels.count {
        let own = plan.extend([Term::new(jacobian, atom, first_point + one_particle.own(channel, lane), lane)]);
        let weight = channels.of_neighbour(element, channel);
        plan.push(channel, Sum { pulls: pulls.clone(), weight, own, target: place, is_moment: false });
    }
}

/// Adds the sums for the virial to a plan.
fn plan_moments(
    plan: &mut Plan,
    jacobian: &Jacobian,
    batches: &[Batch],
    atoms: Range<usize>,
    [n_kinds, n_sets]: [usize; 2],
) {
    for centre in 0..n_kinds {
        for (set, half) in (0..n_sets).flat_map(|set| [(set, 0), (set, 1)]) {
            let of_centre = batches.iter().filter(|batch| batch.centre == centre);
            let moments = of_centre.flat_map(|Batch { one_particle, places, first_point, .. }| {
                places.iter().enumerate().map(move |(lane, place)| {
                    let point = first_point + one_particle.moments(set, lane)[half];
                    Term::new(jacobian, atoms.start + place, point, lane)
                })
            });
            let own = plan.extend(moments);
            let target = target(atoms.len() + half, centre, n_kinds);
            plan.push(set, Sum { pulls: 0..0, weight: 1.0, own, target, is_moment: true });
        }
    }
}

fn add(sums: &mut [f64], terms: &[f64]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}

fn lock<T>(pool: &Mutex<T>) -> MutexGuard<'_, T> {
    // No change under this lock can be left half done, so the vector is intact even if a thread panicked with the lock.
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Instructions;
    use crate::basis::Parameters;

    /// Results with and without fused multiply-add differ by rounding only.
    #[test]
    fn fused_and_separate_arithmetic_agree() {
        let mut basis = AceBasis::new(&Parameters {
            elements: vec![8, 14],
            order: 3,
            totaldegree: vec![9.0; 3],
            rcut: 5.0,
            r0: vec![1.3, 1.8, 1.8, 2.4],
        })
        .unwrap();
        let positions: Vec<[f64; 3]> =
            (0..11).map(|k| [2.0, 1.1, 0.7].map(|a| 2.5 * (a * k as f64).sin() + 0.1 * k as f64)).collect();
        let atomic_numbers: Vec<i64> = (0..11).map(|k| if k % 3 == 0 { 8 } else { 14 }).collect();
        let cell = [[6.0, 0.0, 0.0], [0.5, 6.0, 0.0], [0.0, 0.3, 6.0]];
        let structure = [Structure { positions: &positions, atomic_numbers: &atomic_numbers, cell, pbc: [true; 3] }];
        let weights: Vec<f64> = (0..basis.n_features()).map(|k| (k as f64).cos()).collect();
        let results = [Instructions::Best, Instructions::Separate].map(|instructions| {
            basis.visitor.evaluator.instructions = instructions;
            let mut rows = vec![0.0; AceBasis::n_design_rows(11) * basis.n_features()];
            basis.designs_into(&structure, &mut rows).unwrap();
            [rows, basis.predict(&structure, &weights).unwrap().forces.into_flattened()]
        });
        let [fused, separate] = results;
        for (a, b) in fused.iter().zip(&separate) {
            let largest = b.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-12 * largest, "{a} is not {b}");
            }
        }
    }
}
