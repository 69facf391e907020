//! A look at structures before they are described: atoms that are too close, and what tells copies.

use mlipselect_ace as ace;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use rayon::prelude::*;

use crate::batch::Batch;
use crate::door::{Threads, enter_ok};

/// Index of the structure, of its two atoms, their distance in Å, and that over the sum of their radii.
type Contact = (usize, usize, usize, f64, f64);

/// Digests of all structures, contacts of some, and what is wrong with others.
type Inspected<'py> = (Bound<'py, PyArray1<u64>>, Vec<Contact>, Vec<(usize, String)>);

/// The digest of each structure; its closest atoms where they are nearer than `limit` times the sum of their `radii`; and
/// the structures without atoms, without finite numbers or without cell vectors along periodic directions.
#[pyfunction]
#[pyo3(signature = (positions, atomic_numbers, cells, pbc, offsets, radii, limit, n_threads=None))]
#[expect(clippy::too_many_arguments, reason = "flat arrays of one batch")]
pub(crate) fn inspect<'py>(
    py: Python<'py>,
    positions: PyReadonlyArray2<'py, f64>,
    atomic_numbers: PyReadonlyArray1<'py, i64>,
    cells: PyReadonlyArray3<'py, f64>,
    pbc: PyReadonlyArray2<'py, bool>,
    offsets: PyReadonlyArray1<'py, i64>,
    radii: PyReadonlyArray1<'py, f64>,
    limit: f64,
    n_threads: Option<Threads>,
) -> PyResult<Inspected<'py>> {
    let batch = Batch::new(&positions, &atomic_numbers, &cells, &pbc, &offsets)?;
    let radii = radii.as_array().to_vec();
    let found: Vec<_> = enter_ok(py, n_threads, || {
        let structures = batch.structures();
        let look = |structure| (ace::digest(structure), ace::closest_contact(structure, &radii, limit));
        structures.par_iter().map(look).collect()
    })?;
    let (mut digests, mut contacts, mut problems) = (Vec::with_capacity(found.len()), Vec::new(), Vec::new());
    for (index, (digest, contact)) in found.into_iter().enumerate() {
        digests.push(digest);
        match contact {
            Ok(None) => {}
            Ok(Some(c)) => contacts.push((index, c.first, c.second, c.distance, c.fraction)),
            Err(problem) => problems.push((index, problem.to_string())),
        }
    }
    Ok((digests.into_pyarray(py), contacts, problems))
}
