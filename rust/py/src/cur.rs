//! Leverage scores, and the order of rows by their values.

use mlipselect_core::{self as mcore, Leverage, Rows};
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, groups, index_array, indices};
use crate::choices;
use crate::door::{Threads, enter};
use crate::errors::{Refusal, invalid};

/// Leverage of every row of the pool, or of every group of rows, with the number of directions that count and their
/// share of the sum of squares.
#[pyfunction]
#[pyo3(signature = (pool, core, *, offsets=None, rank=None, ridge=None, scale="none", n_threads=None))]
#[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
pub(crate) fn leverage<'py>(
    py: Python<'py>,
    pool: &Bound<'_, PyAny>,
    core: Option<&Bound<'_, PyAny>>,
    offsets: Option<PyReadonlyArray1<'_, i64>>,
    rank: Option<usize>,
    ridge: Option<f64>,
    scale: &str,
    n_threads: Option<Threads>,
) -> PyResult<(Bound<'py, PyArray1<f64>>, usize, f64)> {
    let kind = match (rank, ridge) {
        (None, None) => Leverage::EffectiveRank,
        (Some(rank), None) => Leverage::Rank(rank),
        (None, Some(ridge)) => Leverage::Ridge(ridge),
        (Some(_), Some(_)) => return Err(invalid("give rank or ridge, not both")),
    };
    let scale = choices::scale(scale)?;
    let groups = offsets.map(|offsets| groups(&offsets)).transpose()?;
    let pool = Matrix::extract(pool, "the pool")?;
    let core = core.map(|core| Matrix::extract(core, "the core")).transpose()?;
    let pool = pool.rows("the pool")?;
    let core = core.as_ref().map(|core| core.rows("the core")).transpose()?;
    let scores = enter(py, n_threads, || {
        let core = core.as_ref().map(|core| core as &dyn Rows);
        mcore::leverage(&pool, groups.as_ref(), core, kind, scale)
    })?;
    Ok((scores.values.to_pyarray(py), scores.rank, scores.explained))
}

/// The candidates in the order of their values, largest first.
#[pyfunction]
pub(crate) fn largest_first<'py>(
    py: Python<'py>,
    candidates: PyReadonlyArray1<'_, i64>,
    values: PyReadonlyArray1<'_, f64>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let order = mcore::largest_first(&indices(&candidates, "candidates")?, &values.as_array().to_vec());
    Ok(index_array(py, &order.map_err(Refusal::exception)?))
}
