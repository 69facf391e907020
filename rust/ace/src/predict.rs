//! Energies, forces and virials of a linear model of the features, in parallel over structures and over atoms.

use std::ops::Range;

use rayon::prelude::*;

use crate::arithmetic::LANES;
use crate::descriptor::{AceBasis, CHUNK, first_error};
use crate::error::{Error, StructureProblem};
use crate::evaluate::{LinearModel, ModelReverse, Slot};
use crate::geometry::Structure;
use crate::sites::{Scratch, Sites};

/// Number of atoms whose pairs are held in memory at once, before they are added to the forces in the order of atoms.
const BLOCK: usize = 64 * CHUNK;

/// Predictions of a linear model w · b for some structures, in Å and the unit of energy of the weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    /// w · b(i), one per atom, structure after structure.
    pub site_energies: Vec<f64>,
    /// One per structure: the sum of the site energies.
    pub energies: Vec<f64>,
    /// One per atom, structure after structure: minus the derivative of the energy by the position.
    pub forces: Vec<[f64; 3]>,
    /// One per structure: minus the derivative of the energy by strain, xx, yy, zz, yz, xz, xy.
    pub virials: Vec<[f64; 6]>,
}

/// One structure, and the memory for its results.
struct Job<'a> {
    structure: &'a Structure<'a>,
    site_energies: &'a mut [f64],
    energy: &'a mut f64,
    forces: &'a mut [[f64; 3]],
    virial: &'a mut [f64; 6],
}

/// The derivatives of the energies of some atoms, by neighbour.
#[derive(Default)]
pub(crate) struct Pulls {
    /// An atom, and a contribution to the derivative of the energies by its position.
    pairs: Vec<(usize, [f64; 3])>,
    virial: [f64; 6],
}

impl Pulls {
    /// Adds the result of the reverse mode for the atoms in the lanes; `energies` begins with that of the atom `first`.
    pub(crate) fn collect(
        &mut self,
        lane_atoms: &[usize],
        slots: &[Vec<Slot>],
        reverse: &ModelReverse,
        energies: &mut [f64],
        first: usize,
    ) {
        for (lane, &atom) in lane_atoms.iter().enumerate() {
            energies[atom - first] = reverse.value.0[lane];
        }
        let mut own = [[0.0; 3]; LANES];
        for (slot, gradient) in slots.iter().flatten().zip(&reverse.gradients) {
            for (lane, own) in own.iter_mut().enumerate().take(lane_atoms.len()) {
                if slot.present.0[lane] == 1.0 {
                    let pull = [0, 1, 2].map(|k| gradient[k].0[lane]);
                    add(own, pull.map(|x| -x));
                    self.pairs.push((slot.atoms[lane], pull));
                }
            }
        }
        self.pairs.extend(lane_atoms.iter().copied().zip(own));
        // Lanes without an atom are zero.
        add(&mut self.virial, reverse.moments.map(|pack| pack.sum()));
    }

    /// Subtracts the derivatives from the forces and the virial of their structure.
    pub(crate) fn add_to(self, forces: &mut [[f64; 3]], virial: &mut [f64; 6]) {
        for (atom, pull) in self.pairs {
            add(&mut forces[atom], pull.map(|x| -x));
        }
        add(virial, self.virial.map(|x| -x));
    }
}

impl AceBasis {
    /// Energies, forces and virials of the linear model with one weight per feature.
    ///
    /// Neither the features nor their gradients are stored: the cost is a small multiple of that of the features. The
    /// result is the same, bit for bit, for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::WeightCount`] or [`Error::Weight`] where there is not one finite weight per feature, and
    /// [`Error::Structure`] for the first structure that cannot be described.
    pub fn predict(&self, structures: &[Structure<'_>], weights: &[f64]) -> Result<Predictions, Error> {
        self.check_weights(weights)?;
        let model = LinearModel::new(self.basis(), &self.evaluator().tables, weights);
        let n_atoms = structures.iter().map(Structure::len).sum();
        let mut predictions = Predictions {
            site_energies: vec![0.0; n_atoms],
            energies: vec![0.0; structures.len()],
            forces: vec![[0.0; 3]; n_atoms],
            virials: vec![[0.0; 6]; structures.len()],
        };
        let (mut sites, mut forces) = (&mut predictions.site_energies[..], &mut predictions.forces[..]);
        let mut jobs = Vec::with_capacity(structures.len());
        let totals = predictions.energies.iter_mut().zip(&mut predictions.virials);
        for (structure, (energy, virial)) in structures.iter().zip(totals) {
            let (site_energies, other_sites) = sites.split_at_mut(structure.len());
            let (own_forces, other_forces) = forces.split_at_mut(structure.len());
            (sites, forces) = (other_sites, other_forces);
            jobs.push(Job { structure, site_energies, energy, forces: own_forces, virial });
        }
        first_error(jobs.into_par_iter().map(|job| self.predict_one(&model, job)))?;
        Ok(predictions)
    }

    fn predict_one(&self, model: &LinearModel, job: Job<'_>) -> Result<(), StructureProblem> {
        let sites = self.visitor.prepare(job.structure)?;
        let n = job.structure.len();
        for start in (0..n).step_by(BLOCK) {
            let block = start..n.min(start + BLOCK);
            let chunks = job.site_energies[block]
                .par_chunks_mut(CHUNK)
                .enumerate()
                .map(|(k, energies)| {
                    let first = start + k * CHUNK;
                    self.pull(model, &sites, first..first + energies.len(), energies)
                })
                .collect::<Vec<_>>();
            for pulls in chunks {
                pulls?.add_to(job.forces, job.virial);
            }
        }
        *job.energy = job.site_energies.iter().sum();
        Ok(())
    }

    /// Evaluates the model at some atoms, with its derivatives by the positions of these and their neighbours.
    fn pull(
        &self,
        model: &LinearModel,
        sites: &Sites,
        atoms: Range<usize>,
        energies: &mut [f64],
    ) -> Result<Pulls, StructureProblem> {
        let mut pulls = Pulls::default();
        let first = atoms.start;
        self.visitor.visit(sites, atoms, |lane_atoms, centre, scratch| {
            let Scratch { neighbourhoods, reverse, .. } = scratch;
            self.evaluator().differentiate(centre, [&model.centres[centre]], neighbourhoods, None, reverse);
            pulls.collect(lane_atoms, &neighbourhoods.slots, &reverse.models[0], energies, first);
        })?;
        Ok(pulls)
    }

    pub(crate) fn check_weights(&self, weights: &[f64]) -> Result<(), Error> {
        if weights.len() != self.n_features() {
            return Err(Error::WeightCount { expected: self.n_features(), given: weights.len() });
        }
        match weights.iter().position(|w| !w.is_finite()) {
            Some(feature) => Err(Error::Weight { feature, given: weights[feature] }),
            None => Ok(()),
        }
    }
}

fn add<const N: usize>(sum: &mut [f64; N], term: [f64; N]) {
    for (sum, term) in sum.iter_mut().zip(term) {
        *sum += term;
    }
}
