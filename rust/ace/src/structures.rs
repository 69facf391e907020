//! The descriptor of many structures, in parallel over structures and over the atoms of each.

use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use crate::basis::{Basis, Parameters};
use crate::error::{Error, StructureProblem};
use crate::lanes::{LANES, Pack};
use crate::neighbours::{CellList, Hits};
use crate::structure::Structure;
use crate::values::{Evaluator, Slot, Workspace};

/// Atoms closer than this, in Å, are a mistake in the structure: the same atom twice.
pub const MIN_DISTANCE: f64 = 1e-3;

/// Atoms that one thread describes in one go.
const CHUNK: usize = 64;

/// Most partial sums of one structure that are held at once.
const MAX_PARTIAL_SUMS: usize = 256;

/// The linear ACE descriptor: one row of features per atom.
#[derive(Debug)]
pub struct AceBasis {
    evaluator: Evaluator,
    /// Memory that threads take and bring back.
    idle: Mutex<Vec<Scratch>>,
}

#[derive(Debug)]
struct Scratch {
    workspace: Workspace,
    hits: Hits,
    /// The atoms of a chunk that share an element.
    centres: Vec<usize>,
    /// For each element, how many neighbours the lane at hand has so far.
    filled: Vec<usize>,
}

impl AceBasis {
    /// A descriptor with the given parameters.
    ///
    /// # Errors
    ///
    /// A parameter is out of its range; the message says which and why.
    pub fn new(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self { evaluator: Evaluator::new(Basis::new(parameters)?), idle: Mutex::new(Vec::new()) })
    }

    /// Number of features.
    pub fn n_features(&self) -> usize {
        self.basis().n_features
    }

    pub(crate) fn basis(&self) -> &Basis {
        &self.evaluator.basis
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

    /// As [`Self::site_features`], into memory that the caller has; what was there does not matter.
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
            let (elements, cells) = self.prepare(structure)?;
            let chunks: Vec<_> = rows
                .par_chunks_mut(CHUNK * d)
                .enumerate()
                .map(|(k, rows)| {
                    let first = k * CHUNK;
                    let atoms = first..first + rows.len() / d;
                    self.describe(&elements, &cells, atoms, |lane_atoms, centre, workspace| {
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

    /// The mean row of each structure; rows of atoms are not kept.
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
        let (elements, cells) = self.prepare(structure)?;
        let n = structure.len();
        let chunk = CHUNK.max(n.div_ceil(MAX_PARTIAL_SUMS).next_multiple_of(LANES));
        let partial_sums: Vec<_> = (0..n.div_ceil(chunk))
            .into_par_iter()
            .map(|k| {
                let mut sums = vec![0.0; row.len()];
                let atoms = k * chunk..n.min((k + 1) * chunk);
                self.describe(&elements, &cells, atoms, |_, centre, workspace| {
                    // Lanes without an atom hold zeros.
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

    /// The element of each atom, and the atoms sorted into bins.
    fn prepare(&self, structure: &Structure<'_>) -> Result<(Vec<usize>, CellList), StructureProblem> {
        if structure.is_empty() {
            return Err(StructureProblem::Empty);
        }
        if structure.atomic_numbers.len() != structure.len() {
            return Err(StructureProblem::AtomCount {
                positions: structure.len(),
                numbers: structure.atomic_numbers.len(),
            });
        }
        let known = &self.basis().elements;
        let element = |(atom, &given): (usize, &i64)| {
            known.binary_search(&given).map_err(|_| StructureProblem::UnknownElement {
                atom,
                given,
                known: known.clone(),
            })
        };
        let numbers = structure.atomic_numbers.iter().enumerate();
        let elements = numbers.map(element).collect::<Result<_, _>>()?;
        Ok((elements, CellList::new(structure, self.basis().rcut)?))
    }

    /// Evaluates some atoms of a structure, as many at once as there are lanes, and hands over the results.
    fn describe(
        &self,
        elements: &[usize],
        cells: &CellList,
        atoms: Range<usize>,
        mut take: impl FnMut(&[usize], usize, &Workspace),
    ) -> Result<(), StructureProblem> {
        let mut scratch = self.take_scratch();
        for centre in 0..self.basis().elements.len() {
            let mut centres = std::mem::take(&mut scratch.centres);
            centres.clear();
            centres.extend(atoms.clone().filter(|&atom| elements[atom] == centre));
            for lane_atoms in centres.chunks(LANES) {
                self.gather(elements, cells, lane_atoms, &mut scratch)?;
                self.evaluator.evaluate(centre, &mut scratch.workspace);
                take(lane_atoms, centre, &scratch.workspace);
            }
            scratch.centres = centres;
        }
        self.idle_scratch().push(scratch);
        Ok(())
    }

    /// Fills the lanes with the neighbours of some atoms.
    fn gather(
        &self,
        elements: &[usize],
        cells: &CellList,
        lane_atoms: &[usize],
        scratch: &mut Scratch,
    ) -> Result<(), StructureProblem> {
        let Scratch { workspace, hits, filled, .. } = scratch;
        workspace.slots.iter_mut().for_each(Vec::clear);
        let mut closest = None;
        for (lane, &atom) in lane_atoms.iter().enumerate() {
            filled.fill(0);
            cells.for_each(atom, hits, |neighbour| {
                let element = elements[neighbour.atom];
                let slots = &mut workspace.slots[element];
                if filled[element] == slots.len() {
                    slots.push(Slot::absent(self.basis().rcut));
                }
                let slot = &mut slots[filled[element]];
                filled[element] += 1;
                let [x, y, z] = neighbour.vector;
                for (pack, x) in slot.vector.iter_mut().zip([x, y, z]) {
                    pack.0[lane] = x;
                }
                slot.present.0[lane] = 1.0;
                let distance_squared = x * x + y * y + z * z;
                if distance_squared < MIN_DISTANCE * MIN_DISTANCE && closest.is_none() {
                    closest = Some((atom, neighbour.atom, distance_squared.sqrt()));
                }
            });
        }
        match closest {
            None => Ok(()),
            Some((first, second, distance)) => {
                Err(StructureProblem::Coincident { first, second, distance, least: MIN_DISTANCE })
            }
        }
    }

    /// Adds one number of each function to its column.
    fn write(&self, centre: usize, workspace: &Workspace, row: &mut [f64], number: impl Fn(&Pack) -> f64) {
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

    fn take_scratch(&self) -> Scratch {
        let idle = self.idle_scratch().pop();
        idle.unwrap_or_else(|| Scratch {
            workspace: self.evaluator.workspace(),
            hits: Hits::default(),
            centres: Vec::new(),
            filled: vec![0; self.basis().elements.len()],
        })
    }

    fn idle_scratch(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        // Nothing is ever half done under the lock, so a thread that died holding it left it whole.
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Runs all jobs and reports the first structure that failed, whichever failed first in time.
fn first_error<J>(jobs: J) -> Result<(), Error>
where
    J: IndexedParallelIterator<Item = Result<(), StructureProblem>>,
{
    let results: Vec<_> = jobs.collect();
    match results.into_iter().enumerate().find_map(|(index, result)| Some((index, result.err()?))) {
        Some((index, problem)) => Err(problem.at(index)),
        None => Ok(()),
    }
}
