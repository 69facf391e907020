//! Facility location in steps that Python drives.

use mlipselect_core::{FacilityLocation, Pool, Rows};
use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, index_array};
use crate::choices::{distance, engine};
use crate::errors::from_core;
use crate::threads::detached;

/// A selection under way; `advance` picks more.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct FacilitySelection {
    inner: FacilityLocation,
    pool: Py<PyAny>,
    n_threads: Option<usize>,
}

#[pymethods]
impl FacilitySelection {
    #[new]
    #[pyo3(signature = (pool, core=None, *, metric="euclidean", scale="standard", engine="lazy", max_memory=usize::MAX, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn new(
        py: Python<'_>,
        pool: Py<PyAny>,
        core: Option<&Bound<'_, PyAny>>,
        metric: &str,
        scale: &str,
        engine: &str,
        max_memory: usize,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (distance, engine) = (distance(metric, scale)?, self::engine(engine)?);
        let core = core.map(|core| Matrix::extract(core, "the core")).transpose()?;
        let core = core.as_ref().map(|core| core.rows("the core")).transpose()?;
        let core = core.as_ref().map(|core| core as &dyn Rows);
        let inner = {
            let matrix = Matrix::extract(pool.bind(py), "the pool")?;
            let pool = Pool::new(matrix.rows("the pool")?);
            detached(py, n_threads, || FacilityLocation::new(&pool, core, distance, engine, max_memory))?
                .map_err(from_core)?
        };
        Ok(Self { inner, pool, n_threads })
    }

    /// Bytes that are taken for so many rows of pool and core, at most.
    #[staticmethod]
    fn bytes(pool: usize, core: usize, dim: usize) -> usize {
        FacilityLocation::bytes(pool, core, dim)
    }

    /// The candidate that would be picked next and its score, or None if none is left.
    fn propose(&mut self, py: Python<'_>) -> PyResult<Option<(usize, f64)>> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        let matrix = Matrix::extract(self.pool.bind(py), "the pool")?;
        let pool = Pool::new(matrix.rows("the pool")?);
        detached(py, n_threads, || inner.propose(&pool))?.map_err(from_core)
    }

    /// Pick `count` more.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        let matrix = Matrix::extract(self.pool.bind(py), "the pool")?;
        let pool = Pool::new(matrix.rows("the pool")?);
        detached(py, n_threads, || inner.advance(&pool, count))?.map_err(from_core)
    }

    /// Pick a candidate, the best or not.
    fn pick(&mut self, py: Python<'_>, candidate: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        let matrix = Matrix::extract(self.pool.bind(py), "the pool")?;
        let pool = Pool::new(matrix.rows("the pool")?);
        detached(py, n_threads, || inner.pick(&pool, candidate))?.map_err(from_core)
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

    /// By how much each pick lowered the loss.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.scores().to_pyarray(py)
    }

    /// Sum over the pool of the distance to the nearest of core and picks.
    #[getter]
    fn loss(&self) -> f64 {
        self.inner.loss()
    }
}
