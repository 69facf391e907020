//! What columns are divided by, for methods that measure distances.

use mlipselect_core as mcore;
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, with_pool_and_core};
use crate::door::enter;

/// One over the standard deviation of each column of two matrices together, and 1 for columns that are constant; the
/// second matrix may be None.
#[pyfunction]
#[pyo3(signature = (pool, core=None, n_threads=None))]
pub(crate) fn standard_scales<'py>(
    py: Python<'py>,
    pool: &Bound<'py, PyAny>,
    core: Option<&Bound<'py, PyAny>>,
    n_threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let scales = with_pool_and_core(pool, core, |matrices| enter(py, n_threads, || mcore::standard_scales(matrices)))?;
    Ok(scales.to_pyarray(py))
}

/// Sums and sums of squares, for each column.
type Sums<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// Sums over the rows of what each column differs from the origin by, and of the squares of that.
#[pyfunction]
#[pyo3(signature = (rows, origin, n_threads=None))]
pub(crate) fn column_sums<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
    origin: PyReadonlyArray1<'py, f64>,
    n_threads: Option<usize>,
) -> PyResult<Sums<'py>> {
    let rows = Matrix::extract(rows, "the rows")?;
    let (rows, origin) = (rows.rows("the rows")?, origin.as_array().to_vec());
    let (sums, squares) = enter(py, n_threads, || mcore::column_sums("the rows", &rows, &origin))?;
    Ok((sums.to_pyarray(py), squares.to_pyarray(py)))
}
