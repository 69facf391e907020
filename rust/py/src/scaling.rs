//! Standard deviations of columns, for methods that measure distances.

use mlipselect_core as mcore;
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, with_pool_and_core};
use crate::door::{Threads, enter};
use crate::errors::named;

/// The inverse standard deviation of each column over the rows of both matrices, or 1 for a column whose spread is
/// rounding; the second matrix may be None.
#[pyfunction]
#[pyo3(signature = (pool, core=None, n_threads=None))]
pub(crate) fn standard_scales<'py>(
    py: Python<'py>,
    pool: &Bound<'py, PyAny>,
    core: Option<&Bound<'py, PyAny>>,
    n_threads: Option<Threads>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let scales = with_pool_and_core(pool, core, |matrices| enter(py, n_threads, || mcore::standard_scales(matrices)))?;
    Ok(scales.to_pyarray(py))
}

/// Sums and sums of squares, for each column.
type Sums<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

/// The sum over the rows of the deviation of each column from the origin, and the sum of its square. With `is_core`,
/// messages call the rows "the core", else "the pool".
#[pyfunction]
#[pyo3(signature = (rows, origin, *, is_core=false, n_threads=None))]
pub(crate) fn column_sums<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
    origin: PyReadonlyArray1<'py, f64>,
    is_core: bool,
    n_threads: Option<Threads>,
) -> PyResult<Sums<'py>> {
    let name = if is_core { "the core" } else { "the pool" };
    let matrix = Matrix::extract(rows, name)?;
    let (matrix, origin) = (matrix.rows(name)?, origin.as_array().to_vec());
    let sums = enter(py, n_threads, || mcore::column_sums(name, &matrix, &origin));
    let (sums, squares) = sums.map_err(|error| named(rows, error))?;
    Ok((sums.to_pyarray(py), squares.to_pyarray(py)))
}

/// Inverse standard deviations, whether columns vary, and mean squares.
type Moments<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<bool>>, Bound<'py, PyArray1<f64>>);

/// The inverse standard deviation of each column, or 1 where the spread is rounding; whether it is more than that; and
/// the mean square. They are those of `count` rows in parts, from the `column_sums` of each part with the same origin;
/// `is_single` tells rows that were stored as float32.
#[pyfunction]
pub(crate) fn moments_of_sums<'py>(
    py: Python<'py>,
    parts: Vec<(PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>)>,
    count: usize,
    origin: PyReadonlyArray1<'py, f64>,
    is_single: bool,
) -> Moments<'py> {
    let parts: Vec<(Vec<f64>, Vec<f64>)> =
        parts.iter().map(|(sums, squares)| (sums.as_array().to_vec(), squares.as_array().to_vec())).collect();
    let found = mcore::moments_of_sums(&parts, count, &origin.as_array().to_vec(), is_single);
    (found.scales.to_pyarray(py), found.varies.to_pyarray(py), found.mean_squares.to_pyarray(py))
}
