//! Farthest point sampling in steps that Python drives.

use mlipselect_core::{Fps, Pool, Rows};
use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, index_array};
use crate::choices::{distance, engine};
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
