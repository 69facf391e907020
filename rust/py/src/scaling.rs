//! What columns are divided by, for methods that measure distances.

use mlipselect_core::{Rows, standard_scales as scales};
use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::Matrix;
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
    let pool = Matrix::extract(pool, "the pool")?;
    let core = core.map(|core| Matrix::extract(core, "the core")).transpose()?;
    let pool = pool.rows("the pool")?;
    let core = core.as_ref().map(|core| core.rows("the core")).transpose()?;
    let mut matrices: Vec<(&str, &dyn Rows)> = vec![("the pool", &pool)];
    matrices.extend(core.as_ref().map(|core| ("the core", core as &dyn Rows)));
    Ok(detached(py, n_threads, || scales(&matrices))?.map_err(from_core)?.to_pyarray(py))
}
