//! What columns are divided by, for methods that measure distances.

use mlipselect_core as mcore;
use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::with_pool_and_core;
use crate::errors::from_core;
use crate::threads::detached;

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
    let scales = with_pool_and_core(pool, core, |matrices| {
        detached(py, n_threads, || mcore::standard_scales(matrices))?.map_err(from_core)
    })?;
    Ok(scales.to_pyarray(py))
}
