//! Visits to the atoms of a structure, one atom per lane, with their neighbours.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arithmetic::LANES;
use crate::error::StructureProblem;
use crate::evaluate::{Evaluator, Neighbourhoods, Reverse, Slot, Workspace};
use crate::geometry::{CellList, Hits, Structure};

/// Smallest distance of two atoms in Å. Closer atoms are refused as the same atom given twice.
pub const MIN_DISTANCE: f64 = 1e-3;

/// An evaluator with workspaces for all threads that visit atoms.
#[derive(Debug)]
pub(crate) struct SiteVisitor {
    pub(crate) evaluator: Evaluator,
    /// Workspaces that no thread uses at the moment.
    idle: Mutex<Vec<Scratch>>,
}

/// A checked structure: the element of each atom, and the cell list.
#[derive(Debug)]
pub(crate) struct Sites {
    /// For each atom, the index of its element among those of the basis.
    pub(crate) elements: Vec<usize>,
    cells: CellList,
}

/// Workspace of one thread.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) neighbourhoods: Neighbourhoods,
    pub(crate) workspace: Workspace,
    pub(crate) reverse: Reverse,
    hits: Hits,
    /// The atoms to visit that are of the same kind.
    centres: Vec<usize>,
    /// For each kind, the number of neighbours found so far for the current lane.
    filled: Vec<usize>,
}

impl Scratch {
    /// The neighbours of one kind of the atom in a lane: index among the slots of all kinds, and index of the atom.
    pub(crate) fn neighbours(&self, kind: usize, lane: usize) -> impl Iterator<Item = (usize, usize)> {
        let all = &self.neighbourhoods.slots;
        let first: usize = all[..kind].iter().map(Vec::len).sum();
        let slots = all[kind].iter().enumerate();
        slots.filter(move |(_, slot)| slot.present.0[lane] == 1.0).map(move |(k, slot)| (first + k, slot.atoms[lane]))
    }
}

impl SiteVisitor {
    pub(crate) fn new(evaluator: Evaluator) -> Self {
        Self { evaluator, idle: Mutex::new(Vec::new()) }
    }

    /// Checks a structure and builds its cell list.
    pub(crate) fn prepare(&self, structure: &Structure<'_>) -> Result<Sites, StructureProblem> {
        if structure.is_empty() {
            return Err(StructureProblem::Empty);
        }
        if structure.atomic_numbers.len() != structure.len() {
            return Err(StructureProblem::AtomCount {
                positions: structure.len(),
                numbers: structure.atomic_numbers.len(),
            });
        }
        let known = &self.evaluator.basis.elements;
        let element = |(atom, &given): (usize, &i64)| {
            known.binary_search(&given).map_err(|_| StructureProblem::UnknownElement {
                atom,
                given,
                known: known.clone(),
            })
        };
        let numbers = structure.atomic_numbers.iter().enumerate();
        let elements = numbers.map(element).collect::<Result<_, _>>()?;
        Ok(Sites { elements, cells: CellList::new(structure, self.evaluator.basis.rcut)? })
    }

    /// Visits some atoms of a structure, kind after kind and up to `LANES` atoms at once.
    ///
    /// `visit` is called with the atoms in the lanes, their kind, and a workspace with their neighbours.
    pub(crate) fn visit(
        &self,
        sites: &Sites,
        atoms: Range<usize>,
        mut visit: impl FnMut(&[usize], usize, &mut Scratch),
    ) -> Result<(), StructureProblem> {
        let mut scratch = self.take_scratch();
        let basis = &self.evaluator.basis;
        for centre in 0..basis.n_kinds() {
            let mut centres = std::mem::take(&mut scratch.centres);
            centres.clear();
            centres.extend(atoms.clone().filter(|&atom| basis.kind(sites.elements[atom]) == centre));
            for lane_atoms in centres.chunks(LANES) {
                self.gather(sites, lane_atoms, &mut scratch)?;
                visit(lane_atoms, centre, &mut scratch);
            }
            scratch.centres = centres;
        }
        self.idle_scratch().push(scratch);
        Ok(())
    }

    /// Lends a workspace.
    pub(crate) fn with_scratch(&self, work: impl FnOnce(&mut Scratch)) {
        let mut scratch = self.take_scratch();
        work(&mut scratch);
        self.idle_scratch().push(scratch);
    }

    /// Finds the neighbours of the atoms in the lanes.
    fn gather(&self, sites: &Sites, lane_atoms: &[usize], scratch: &mut Scratch) -> Result<(), StructureProblem> {
        let Scratch { neighbourhoods: Neighbourhoods { elements, slots: slots_of }, hits, filled, .. } = scratch;
        let basis = &self.evaluator.basis;
        slots_of.iter_mut().for_each(Vec::clear);
        let mut closest = None;
        for (lane, &atom) in lane_atoms.iter().enumerate() {
            filled.fill(0);
            elements[lane] = sites.elements[atom];
            sites.cells.for_each(atom, hits, |neighbour| {
                let element = sites.elements[neighbour.atom];
                let kind = basis.kind(element);
                let slots = &mut slots_of[kind];
                if filled[kind] == slots.len() {
                    slots.push(Slot::absent(basis.rcut));
                }
                let slot = &mut slots[filled[kind]];
                filled[kind] += 1;
                let [x, y, z] = neighbour.vector;
                for (pack, x) in slot.vector.iter_mut().zip([x, y, z]) {
                    pack.0[lane] = x;
                }
                slot.present.0[lane] = 1.0;
                slot.atoms[lane] = neighbour.atom;
                slot.elements[lane] = element;
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

    fn take_scratch(&self) -> Scratch {
        let idle = self.idle_scratch().pop();
        idle.unwrap_or_else(|| Scratch {
            neighbourhoods: Neighbourhoods {
                elements: [0; LANES],
                slots: vec![Vec::new(); self.evaluator.basis.n_kinds()],
            },
            workspace: self.evaluator.workspace(),
            reverse: Reverse::new(&self.evaluator),
            hits: Hits::default(),
            centres: Vec::new(),
            filled: vec![0; self.evaluator.basis.n_kinds()],
        })
    }

    fn idle_scratch(&self) -> MutexGuard<'_, Vec<Scratch>> {
        // No change under this lock can be left half done, so the vector is intact even if a thread panicked with the
        // lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
