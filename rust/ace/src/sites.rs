//! The atoms of one structure with their neighbours, visited as many at once as there are lanes.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::arithmetic::LANES;
use crate::error::StructureProblem;
use crate::evaluate::{Evaluator, Reverse, Slot, Workspace};
use crate::geometry::{CellList, Hits, Structure};

/// Atoms closer than this, in Å, are a mistake in the structure: the same atom twice.
pub const MIN_DISTANCE: f64 = 1e-3;

/// Evaluates a basis at the atoms of structures, for all threads.
#[derive(Debug)]
pub(crate) struct SiteVisitor {
    pub(crate) evaluator: Evaluator,
    /// Memory that threads take and bring back.
    idle: Mutex<Vec<Scratch>>,
}

/// A structure, checked: the element of each atom, and the atoms sorted into bins.
#[derive(Debug)]
pub(crate) struct Sites {
    pub(crate) elements: Vec<usize>,
    cells: CellList,
}

/// Memory of one thread.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// For each element, the neighbours of the atoms in the lanes.
    pub(crate) slots: Vec<Vec<Slot>>,
    pub(crate) workspace: Workspace,
    pub(crate) reverse: Reverse,
    hits: Hits,
    /// The atoms of a chunk that share an element.
    centres: Vec<usize>,
    /// For each element, how many neighbours the lane at hand has so far.
    filled: Vec<usize>,
}

impl Scratch {
    /// The neighbours of one element that the atom in a lane has: where they are among the slots of all elements, and
    /// which atoms they are.
    pub(crate) fn neighbours(&self, element: usize, lane: usize) -> impl Iterator<Item = (usize, usize)> {
        let first: usize = self.slots[..element].iter().map(Vec::len).sum();
        let slots = self.slots[element].iter().enumerate();
        slots.filter(move |(_, slot)| slot.present.0[lane] == 1.0).map(move |(k, slot)| (first + k, slot.atoms[lane]))
    }
}

impl SiteVisitor {
    pub(crate) fn new(evaluator: Evaluator) -> Self {
        Self { evaluator, idle: Mutex::new(Vec::new()) }
    }

    /// Checks a structure and sorts its atoms.
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

    /// Visits some atoms of a structure, those of one element after the other: which they are, their element, and
    /// memory with their neighbours.
    pub(crate) fn visit(
        &self,
        sites: &Sites,
        atoms: Range<usize>,
        mut visit: impl FnMut(&[usize], usize, &mut Scratch),
    ) -> Result<(), StructureProblem> {
        let mut scratch = self.take_scratch();
        for centre in 0..self.evaluator.basis.elements.len() {
            let mut centres = std::mem::take(&mut scratch.centres);
            centres.clear();
            centres.extend(atoms.clone().filter(|&atom| sites.elements[atom] == centre));
            for lane_atoms in centres.chunks(LANES) {
                self.gather(sites, lane_atoms, &mut scratch)?;
                visit(lane_atoms, centre, &mut scratch);
            }
            scratch.centres = centres;
        }
        self.idle_scratch().push(scratch);
        Ok(())
    }

    /// Fills the lanes with the neighbours of some atoms.
    fn gather(&self, sites: &Sites, lane_atoms: &[usize], scratch: &mut Scratch) -> Result<(), StructureProblem> {
        let Scratch { slots: slots_of, hits, filled, .. } = scratch;
        slots_of.iter_mut().for_each(Vec::clear);
        let mut closest = None;
        for (lane, &atom) in lane_atoms.iter().enumerate() {
            filled.fill(0);
            sites.cells.for_each(atom, hits, |neighbour| {
                let element = sites.elements[neighbour.atom];
                let slots = &mut slots_of[element];
                if filled[element] == slots.len() {
                    slots.push(Slot::absent(self.evaluator.basis.rcut));
                }
                let slot = &mut slots[filled[element]];
                filled[element] += 1;
                let [x, y, z] = neighbour.vector;
                for (pack, x) in slot.vector.iter_mut().zip([x, y, z]) {
                    pack.0[lane] = x;
                }
                slot.present.0[lane] = 1.0;
                slot.atoms[lane] = neighbour.atom;
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
            slots: vec![Vec::new(); self.evaluator.basis.elements.len()],
            workspace: self.evaluator.workspace(),
            reverse: Reverse::new(&self.evaluator),
            hits: Hits::default(),
            centres: Vec::new(),
            filled: vec![0; self.evaluator.basis.elements.len()],
        })
    }

    fn idle_scratch(&self) -> MutexGuard<'_, Vec<Scratch>> {
        // Nothing is ever half done under the lock, so a thread that died holding it left it whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
