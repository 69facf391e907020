//! Structures of Python for the crate of atoms.

use mlipselect_ace as ace;
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;

use crate::errors::invalid;

/// Structures one after another in flat arrays: `offsets[s]` is the first atom of structure s.
pub(crate) struct Batch {
    pub(crate) positions: Vec<[f64; 3]>,
    atomic_numbers: Vec<i64>,
    cells: Vec<[[f64; 3]; 3]>,
    pub(crate) pbc: Vec<[bool; 3]>,
    offsets: Vec<usize>,
}

impl Batch {
    pub(crate) fn new(
        positions: &PyReadonlyArray2<'_, f64>,
        atomic_numbers: &PyReadonlyArray1<'_, i64>,
        cells: &PyReadonlyArray3<'_, f64>,
        pbc: &PyReadonlyArray2<'_, bool>,
        offsets: &PyReadonlyArray1<'_, i64>,
    ) -> PyResult<Self> {
        let (positions, cells, pbc) = (positions.as_array(), cells.as_array(), pbc.as_array());
        let (n, s) = (positions.nrows(), pbc.nrows());
        let atomic_numbers = atomic_numbers.as_array().to_vec();
        let offsets = offsets.as_array().to_vec();
        let ascending = offsets.is_sorted() && offsets.first() == Some(&0) && offsets.last() == Some(&(n as i64));
        let widths = [positions.ncols(), cells.dim().1, cells.dim().2, pbc.ncols()];
        let fits = cells.dim().0 == s && offsets.len() == s + 1 && atomic_numbers.len() == n;
        if widths != [3; 4] || !fits || !ascending {
            return Err(invalid(format!(
                "expected positions (N, 3), atomic numbers (N,), cells (S, 3, 3), pbc (S, 3) and S + 1 ascending \
                 offsets from 0 to N, but the shapes are {:?}, ({},), {:?}, {:?} and ({},)",
                positions.dim(),
                atomic_numbers.len(),
                cells.dim(),
                pbc.dim(),
                offsets.len(),
            )));
        }
        Ok(Self {
            positions: positions.rows().into_iter().map(|r| [r[0], r[1], r[2]]).collect(),
            atomic_numbers,
            cells: cells.outer_iter().map(|c| [0, 1, 2].map(|i| [0, 1, 2].map(|j| c[[i, j]]))).collect(),
            pbc: pbc.rows().into_iter().map(|r| [r[0], r[1], r[2]]).collect(),
            offsets: offsets.into_iter().map(|offset| offset as usize).collect(),
        })
    }

    pub(crate) fn structures(&self) -> Vec<ace::Structure<'_>> {
        let structure = |s: usize| {
            let atoms = self.offsets[s]..self.offsets[s + 1];
            ace::Structure {
                positions: &self.positions[atoms.clone()],
                atomic_numbers: &self.atomic_numbers[atoms],
                cell: self.cells[s],
                pbc: self.pbc[s],
            }
        };
        (0..self.pbc.len()).map(structure).collect()
    }
}
