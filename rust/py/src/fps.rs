//! Farthest point sampling in steps that Python drives.

use mlipselect_core as mcore;
use mlipselect_core::{Fps, Pool, Rows};
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, index_array};
use crate::choices::{self, distance, engine};
use crate::errors::from_core;
use crate::threads::detached;

/// A selection under way; `advance` picks more.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct FpsSelection {
    inner: Fps,
    arrays: Arrays,
    n_threads: Option<usize>,
}

/// The arrays that belong to Python, kept alive here.
struct Arrays {
    pool: Py<PyAny>,
    core: Option<Py<PyAny>>,
}

impl Arrays {
    /// Call `work` with pool and core made of the arrays.
    fn with_rows<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Pool<'_>, Option<&dyn Rows>) -> PyResult<T>,
    ) -> PyResult<T> {
        let pool = Matrix::extract(self.pool.bind(py), "the pool")?;
        let pool = Pool::new(pool.rows("the pool")?);
        let Some(core) = &self.core else {
            return work(&pool, None);
        };
        let core = Matrix::extract(core.bind(py), "the core")?;
        work(&pool, Some(&core.rows("the core")?))
    }
}

#[pymethods]
impl FpsSelection {
    #[new]
    #[pyo3(signature = (pool, core=None, *, metric="euclidean", scale="standard", initialize=None, engine="lazy", n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn new(
        py: Python<'_>,
        pool: Py<PyAny>,
        core: Option<Py<PyAny>>,
        metric: &str,
        scale: &str,
        initialize: Option<usize>,
        engine: &str,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (distance, engine) = (distance(metric, scale)?, self::engine(engine)?);
        let arrays = Arrays { pool, core };
        let inner = arrays.with_rows(py, |pool, core| {
            detached(py, n_threads, || Fps::new(pool, core, distance, initialize, engine))?.map_err(from_core)
        })?;
        Ok(Self { inner, arrays, n_threads })
    }

    /// Begin with a pool whose lengths to what is there already are known, see `nearest_lengths`.
    #[staticmethod]
    #[pyo3(signature = (pool, lengths, *, metric="euclidean", factors=None, engine="lazy", n_threads=None))]
    fn with_lengths(
        py: Python<'_>,
        pool: Py<PyAny>,
        lengths: PyReadonlyArray1<'_, f64>,
        metric: &str,
        factors: Option<PyReadonlyArray1<'_, f64>>,
        engine: &str,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (metric, engine) = (choices::metric(metric)?, self::engine(engine)?);
        let lengths = lengths.as_array().to_vec();
        let factors = factors.map(|factors| factors.as_array().to_vec());
        let arrays = Arrays { pool, core: None };
        let inner = arrays.with_rows(py, |pool, _| {
            detached(py, n_threads, || Fps::with_lengths(pool, metric, factors.as_deref(), lengths, engine))?
                .map_err(from_core)
        })?;
        Ok(Self { inner, arrays, n_threads })
    }

    /// The candidate that would be picked next and its score, or None if none is left.
    fn propose(&mut self, py: Python<'_>) -> PyResult<Option<(usize, f64)>> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.arrays
            .with_rows(py, |pool, core| detached(py, n_threads, || inner.propose(pool, core))?.map_err(from_core))
    }

    /// Pick `count` more.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.arrays.with_rows(py, |pool, core| {
            detached(py, n_threads, || inner.advance(pool, core, count))?.map_err(from_core)
        })
    }

    /// Pick a candidate, the best or not.
    fn pick(&mut self, py: Python<'_>, candidate: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.arrays.with_rows(py, |pool, core| {
            detached(py, n_threads, || inner.pick(pool, core, candidate))?.map_err(from_core)
        })
    }

    /// Never pick these.
    fn exclude(&mut self, candidates: Vec<usize>) -> PyResult<()> {
        self.inner.exclude(&candidates).map_err(from_core)
    }

    /// Candidates that are neither picked nor excluded.
    #[getter]
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    /// The picks so far, int64, in order.
    #[getter]
    fn indices<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        index_array(py, self.inner.indices())
    }

    /// The distance of each pick, when it was picked, from what was there.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.scores().to_pyarray(py)
    }
}

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
    let metric = choices::metric(metric)?;
    let (rows, centres) = (Matrix::extract(rows, "the rows")?, Matrix::extract(centres, "the centres")?);
    let (rows, centres) = (rows.rows("the rows")?, centres.rows("the centres")?);
    let factors = factors.map(|factors| factors.as_array().to_vec());
    let lengths =
        detached(py, n_threads, || mcore::nearest_lengths(&rows, &centres, metric, factors.as_deref(), threshold))?;
    Ok(lengths.map_err(from_core)?.to_pyarray(py))
}
