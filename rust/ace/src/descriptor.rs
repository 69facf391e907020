//! The features of atoms and structures, in parallel over structures and over the atoms of each.

use std::sync::OnceLock;

use rayon::prelude::*;

use crate::arithmetic::{LANES, Pack};
use crate::basis::{Basis, ChannelWeights, Parameters};
use crate::derivatives::Jacobian;
use crate::error::{Error, StructureProblem};
use crate::evaluate::{Evaluator, Workspace};
use crate::geometry::Structure;
use crate::sites::SiteVisitor;

/// Number of atoms that are one task of a thread.
pub(crate) const CHUNK: usize = 64;

/// Largest number of partial sums of one structure.
const MAX_PARTIAL_SUMS: usize = 256;

/// The linear ACE descriptor: one row of features per atom.
#[derive(Debug)]
pub struct AceBasis {
    pub(crate) visitor: SiteVisitor,
    /// Computed when the first design is asked for.
    jacobian: OnceLock<Jacobian>,
}

impl AceBasis {
    /// A descriptor with the given parameters.
    ///
    /// # Errors
    ///
    /// A parameter is out of its range; the message says which and why.
    pub fn new(parameters: &Parameters) -> Result<Self, Error> {
        Self::of(parameters, None)
    }

    /// A descriptor with species channels: its length does not depend on the number of elements.
    ///
    /// # Errors
    ///
    /// A parameter is out of its range, or there is not one finite weight for each element and channel.
    pub fn with_channels(parameters: &Parameters, weights: &ChannelWeights) -> Result<Self, Error> {
        Self::of(parameters, Some(weights))
    }

    fn of(parameters: &Parameters, weights: Option<&ChannelWeights>) -> Result<Self, Error> {
        let evaluator = Evaluator::new(Basis::new(parameters, weights)?);
        Ok(Self { visitor: SiteVisitor::new(evaluator), jacobian: OnceLock::new() })
    }

    /// Number of features.
    pub fn n_features(&self) -> usize {
        self.basis().n_features
    }

    pub(crate) fn basis(&self) -> &Basis {
        &self.evaluator().basis
    }

    pub(crate) fn evaluator(&self) -> &Evaluator {
        &self.visitor.evaluator
    }

    pub(crate) fn jacobian(&self) -> &Jacobian {
        self.jacobian.get_or_init(|| Jacobian::new(self.basis(), &self.evaluator().tables))
    }

    /// One row per atom, structure after structure.
    ///
    /// The result is the same, bit for bit, for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Structure`] for the first structure that cannot be described.
    pub fn site_features(&self, structures: &[Structure<'_>]) -> Result<Vec<f64>, Error> {
        let n_atoms: usize = structures.iter().map(Structure::len).sum();
        let mut rows = vec![0.0; n_atoms * self.n_features()];
        self.site_features_into(structures, &mut rows)?;
        Ok(rows)
    }

    /// [`Self::site_features`] into memory of the caller, whose old contents are overwritten.
    ///
    /// # Errors
    ///
    /// [`Error::Structure`] for the first structure that cannot be described; then some rows are written and some not.
    ///
    /// # Panics
    ///
    /// `rows` does not hold one row per atom.
    pub fn site_features_into(&self, structures: &[Structure<'_>], rows: &mut [f64]) -> Result<(), Error> {
        let d = self.n_features();
        let n_atoms: usize = structures.iter().map(Structure::len).sum();
        assert_eq!(rows.len(), n_atoms * d, "expected {n_atoms} rows of {d} numbers");
        let mut rest = rows;
        let mut jobs = Vec::with_capacity(structures.len());
        for structure in structures {
            let (rows, others) = rest.split_at_mut(structure.len() * d);
            jobs.push((structure, rows));
            rest = others;
        }
        first_error(jobs.into_par_iter().map(|(structure, rows)| {
            let sites = self.visitor.prepare(structure)?;
            let chunks: Vec<_> = rows
                .par_chunks_mut(CHUNK * d)
                .enumerate()
                .map(|(k, rows)| {
                    let first = k * CHUNK;
                    let atoms = first..first + rows.len() / d;
                    self.visitor.visit(&sites, atoms, |lane_atoms, centre, scratch| {
                        let workspace = &mut scratch.workspace;
                        self.evaluator().evaluate(centre, &scratch.neighbourhoods, workspace);
                        for (lane, atom) in lane_atoms.iter().enumerate() {
                            let row = &mut rows[(atom - first) * d..][..d];
                            row.fill(0.0);
                            self.write(centre, workspace, row, |pack| pack.0[lane]);
                        }
                    })
                })
                .collect();
            chunks.into_iter().collect()
        }))
    }

    /// The mean of the rows of each structure; rows of atoms are not kept.
    ///
    /// The result is the same, bit for bit, for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Structure`] for the first structure that cannot be described.
    pub fn structure_features(&self, structures: &[Structure<'_>]) -> Result<Vec<f64>, Error> {
        let d = self.n_features();
        let mut rows = vec![0.0; structures.len() * d];
        first_error(
            structures.par_iter().zip(rows.par_chunks_mut(d)).map(|(structure, row)| self.mean(structure, row)),
        )?;
        Ok(rows)
    }

    fn mean(&self, structure: &Structure<'_>, row: &mut [f64]) -> Result<(), StructureProblem> {
        let sites = self.visitor.prepare(structure)?;
        let n = structure.len();
        let chunk = CHUNK.max(n.div_ceil(MAX_PARTIAL_SUMS).next_multiple_of(LANES));
        let partial_sums: Vec<_> = (0..n.div_ceil(chunk))
            .into_par_iter()
            .map(|k| {
                let mut sums = vec![0.0; row.len()];
                let atoms = k * chunk..n.min((k + 1) * chunk);
                self.visitor.visit(&sites, atoms, |_, centre, scratch| {
                    let workspace = &mut scratch.workspace;
                    self.evaluator().evaluate(centre, &scratch.neighbourhoods, workspace);
                    // Lanes without an atom are zero.
                    self.write(centre, workspace, &mut sums, |pack| pack.sum());
                })?;
                Ok(sums)
            })
            .collect();
        for sums in partial_sums {
            for (total, sum) in row.iter_mut().zip(sums?) {
                *total += sum;
            }
        }
        row.iter_mut().for_each(|total| *total /= n as f64);
        Ok(())
    }

    /// Adds every function to its column of a row; `number` takes one number from the lanes of a function.
    pub(crate) fn write(&self, centre: usize, workspace: &Workspace, row: &mut [f64], number: impl Fn(&Pack) -> f64) {
        let basis = self.basis();
        for (element, sums) in workspace.pair_sums.chunks_exact(basis.n_pair).enumerate() {
            let columns = &mut row[basis.pair_column(centre, element)..][..basis.n_pair];
            for (value, sum) in columns.iter_mut().zip(sums) {
                *value += 0.5 * number(sum);
            }
        }
        let columns = &mut row[basis.many_body_column(centre)..];
        for (value, function) in columns.iter_mut().zip(&workspace.values) {
            *value += number(function);
        }
    }
}

/// Runs one job per structure; returns the error of the failed structure with the smallest index.
pub(crate) fn first_error<J>(jobs: J) -> Result<(), Error>
where
    J: IndexedParallelIterator<Item = Result<(), StructureProblem>>,
{
    let results: Vec<_> = jobs.collect();
    match results.into_iter().enumerate().find_map(|(index, result)| Some((index, result.err()?))) {
        Some((index, problem)) => Err(problem.at(index)),
        None => Ok(()),
    }
}
