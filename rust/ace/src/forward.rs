//! The forward pass of one structure, which its features and all linear models of them share.

use rayon::prelude::*;

use crate::arithmetic::Pack;
use crate::descriptor::{AceBasis, CHUNK};
use crate::error::{Error, StructureProblem};
use crate::evaluate::{LinearModel, Neighbourhoods};
use crate::geometry::Structure;
use crate::predict::{Predictions, Pulls};
use crate::sites::Scratch;

/// The neighbours and the one-particle sums of all atoms of a structure, and the mean of their rows.
///
/// It takes some kilobytes of memory per atom.
#[derive(Debug)]
pub struct Forward {
    n_atoms: usize,
    /// For each chunk of atoms, the visits in their order.
    chunks: Vec<Vec<Visit>>,
    row: Vec<f64>,
}

/// The atoms in the lanes of one visit, all of one kind.
#[derive(Debug)]
struct Visit {
    atoms: Vec<usize>,
    centre: usize,
    neighbourhoods: Neighbourhoods,
    sums: Vec<Pack>,
}

impl Forward {
    /// The mean of the rows of the atoms.
    pub fn row(&self) -> &[f64] {
        &self.row
    }
}

impl AceBasis {
    /// Visits all atoms of a structure once.
    ///
    /// The result is the same, bit for bit, for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Structure`] if the structure cannot be described.
    pub fn forward(&self, structure: &Structure<'_>) -> Result<Forward, Error> {
        self.pass(structure).map_err(|problem| problem.at(0))
    }

    fn pass(&self, structure: &Structure<'_>) -> Result<Forward, StructureProblem> {
        let sites = self.visitor.prepare(structure)?;
        let n_atoms = structure.len();
        let parts: Vec<_> = (0..n_atoms.div_ceil(CHUNK))
            .into_par_iter()
            .map(|k| {
                let mut partial = vec![0.0; self.n_features()];
                let mut visits = Vec::new();
                let atoms = k * CHUNK..n_atoms.min((k + 1) * CHUNK);
                self.visitor.visit(&sites, atoms, |atoms, centre, scratch| {
                    let Scratch { neighbourhoods, workspace, .. } = scratch;
                    self.evaluator().evaluate(centre, neighbourhoods, workspace);
                    // Lanes without an atom are zero.
                    self.write(centre, workspace, &mut partial, |pack| pack.sum());
                    let sums = workspace.sums.clone();
                    let neighbourhoods = neighbourhoods.clone();
                    visits.push(Visit { atoms: atoms.to_vec(), centre, neighbourhoods, sums });
                })?;
                Ok((partial, visits))
            })
            .collect();
        let (mut row, mut chunks) = (vec![0.0; self.n_features()], Vec::with_capacity(parts.len()));
        for part in parts {
            let (partial, visits) = part?;
            row.iter_mut().zip(partial).for_each(|(total, sum)| *total += sum);
            chunks.push(visits);
        }
        row.iter_mut().for_each(|total| *total /= n_atoms as f64);
        Ok(Forward { n_atoms, chunks, row })
    }

    /// Energies, forces and virials of linear models with the given weights, as [`Self::predict`] computes them.
    ///
    /// Two models together cost less than one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::WeightCount`] or [`Error::Weight`] where there is not one finite weight per feature.
    pub fn predict_from(&self, forward: &Forward, weights: &[Vec<f64>]) -> Result<Vec<Predictions>, Error> {
        weights.iter().try_for_each(|weights| self.check_weights(weights))?;
        let tables = &self.evaluator().tables;
        let models: Vec<_> = weights.iter().map(|weights| LinearModel::new(self.basis(), tables, weights)).collect();
        let (pairs, rest) = models.as_chunks::<2>();
        let paired = pairs.iter().flat_map(|[first, second]| self.pull_all(forward, [first, second]));
        Ok(paired.chain(rest.iter().flat_map(|model| self.pull_all(forward, [model]))).collect())
    }

    fn pull_all<const K: usize>(&self, forward: &Forward, models: [&LinearModel; K]) -> [Predictions; K] {
        let chunks: Vec<_> = forward.chunks.par_iter().map(|visits| self.pull_from(models, visits)).collect();
        let mut out = models.map(|_| Predictions {
            site_energies: vec![0.0; forward.n_atoms],
            energies: vec![0.0],
            forces: vec![[0.0; 3]; forward.n_atoms],
            virials: vec![[0.0; 6]],
        });
        for (index, found) in chunks.into_iter().enumerate() {
            for (out, (energies, pulls)) in out.iter_mut().zip(found) {
                let first = index * CHUNK;
                let count = energies.len().min(forward.n_atoms - first);
                out.site_energies[first..first + count].copy_from_slice(&energies[..count]);
                pulls.add_to(&mut out.forces, &mut out.virials[0]);
            }
        }
        for out in &mut out {
            out.energies[0] = out.site_energies.iter().sum();
        }
        out
    }

    /// Evaluates models at the atoms of a chunk; returns the energies of these atoms, and the derivatives.
    fn pull_from<const K: usize>(&self, models: [&LinearModel; K], visits: &[Visit]) -> [(Vec<f64>, Pulls); K] {
        let mut out = models.map(|_| (vec![0.0; CHUNK], Pulls::default()));
        self.visitor.with_scratch(|scratch| {
            for Visit { atoms, centre, neighbourhoods, sums } in visits {
                let reverse = &mut scratch.reverse;
                let centres = models.map(|model| &model.centres[*centre]);
                self.evaluator().differentiate(*centre, centres, neighbourhoods, Some(sums), reverse);
                for ((energies, pulls), own) in out.iter_mut().zip(&reverse.models) {
                    let first = atoms[0] / CHUNK * CHUNK;
                    pulls.collect(atoms, &neighbourhoods.slots, own, energies, first);
                }
            }
        });
        out
    }
}
