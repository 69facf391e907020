//! Random orders, from a seed.

use mlipselect_core as mcore;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::{index_array, indices};
use crate::errors::Refusal;

/// The candidates in an order that is as likely as any other.
#[pyfunction]
pub(crate) fn shuffled<'py>(
    py: Python<'py>,
    candidates: PyReadonlyArray1<'_, i64>,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    Ok(index_array(py, &mcore::shuffled(&indices(&candidates, "candidates")?, seed)))
}

/// The candidates as they are drawn one after the other, in proportion to the weights of those that are left.
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

/// The candidates in an order any beginning of which holds each stratum in proportion to its size.
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
