//! Distances of rows to centres.

use mlipselect_core as mcore;
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::Matrix;
use crate::choices::metric;
use crate::door::enter;

/// For each row the Euclidean distance, as a point of the metric, to the nearest of the centres; what is below the
/// threshold may be too large, but not beyond it.
#[pyfunction]
#[pyo3(signature = (rows, centres, *, metric="euclidean", factors=None, threshold=f64::NEG_INFINITY, n_threads=None))]
pub(crate) fn nearest_lengths<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyAny>,
    centres: &Bound<'py, PyAny>,
    metric: &str,
    factors: Option<PyReadonlyArray1<'py, f64>>,
    threshold: f64,
    n_threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let metric = self::metric(metric)?;
    let (rows, centres) = (Matrix::extract(rows, "the rows")?, Matrix::extract(centres, "the centres")?);
    let (rows, centres) = (rows.rows("the rows")?, centres.rows("the centres")?);
    let factors = factors.map(|factors| factors.as_array().to_vec());
    let lengths =
        enter(py, n_threads, || mcore::nearest_lengths(&rows, &centres, metric, factors.as_deref(), threshold))?;
    Ok(lengths.to_pyarray(py))
}
