//! An atomic structure, as the caller has it.

use crate::error::StructureProblem;

/// Atoms in a cell, or in free space along the directions that are not periodic.
#[derive(Debug, Clone, Copy)]
pub struct Structure<'a> {
    /// Positions in Å, inside the cell or not.
    pub positions: &'a [[f64; 3]],
    /// One atomic number per position.
    pub atomic_numbers: &'a [i64],
    /// Cell vectors in Å, one a row; those of directions that are not periodic are not looked at.
    pub cell: [[f64; 3]; 3],
    /// Which directions repeat.
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

    /// Refuses NaN and infinities.
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
