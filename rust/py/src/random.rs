//! Random orders, from a seed.

use mlipselect_core as mcore;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::{index_array, indices};
use crate::errors::Refusal;

/// The candidates in a uniformly random order.
#[pyfunction]
pub(crate) fn shuffled<'py>(
    py: Python<'py>,
    candidates: PyReadonlyArray1<'_, i64>,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    Ok(index_array(py, &mcore::shuffled(&indices(&candidates, "candidates")?, seed)))
}

/// The candidates in the order of draws without replacement, with probabilities proportional to their weights.
#[pyfunction]
pub(crate) fn shuffled_by_weight<'py>(
    py: Python<'py>,
    candidates: PyReadonlyArray1<'_, i64>,
    weights: PyReadonlyArray1<'_, f64>,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let candidates = indices(&candidates, "candidates")?;
    let order =
        mcore::shuffled_by_weight(&candidates, &weights.as_array().to_vec(), seed).map_err(Refusal::exception)?;
    Ok(index_array(py, &order))
}

/// The candidates in an order whose every beginning holds the strata in proportion to their sizes.
#[pyfunction]
pub(crate) fn shuffled_by_stratum<'py>(
    py: Python<'py>,
    candidates: PyReadonlyArray1<'_, i64>,
    strata: PyReadonlyArray1<'_, i64>,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (candidates, strata) = (indices(&candidates, "candidates")?, indices(&strata, "strata")?);
    let order = mcore::shuffled_by_stratum(&candidates, &strata, seed).map_err(Refusal::exception)?;
    Ok(index_array(py, &order))
}
