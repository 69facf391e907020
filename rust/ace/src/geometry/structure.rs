//! An atomic structure, borrowed from the caller.

use crate::error::StructureProblem;

/// Atoms in a cell that repeats along none, some or all of its vectors.
#[derive(Debug, Clone, Copy)]
pub struct Structure<'a> {
    /// Positions in Å, inside the cell or not.
    pub positions: &'a [[f64; 3]],
    /// One atomic number per position.
    pub atomic_numbers: &'a [i64],
    /// Cell vectors in Å, one per row; those of directions without periodicity are ignored.
    pub cell: [[f64; 3]; 3],
    /// For each cell vector, whether the structure repeats along it.
    pub pbc: [bool; 3],
}

impl Structure<'_> {
    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is no atom.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Refuses positions and cells with NaN or infinities.
    pub(crate) fn check_finite(&self) -> Result<(), StructureProblem> {
        let wrong = |vector: &[f64; 3]| vector.iter().any(|x| !x.is_finite());
        if let Some(atom) = self.positions.iter().position(wrong) {
            let position = self.positions[atom];
            return Err(StructureProblem::Position { atom, position });
        }
        if self.cell.iter().any(wrong) {
            return Err(StructureProblem::Cell { cell: self.cell });
        }
        Ok(())
    }
}
