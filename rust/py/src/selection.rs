//! Greedy selection by any method, in steps that Python drives.

use mlipselect_core::{self as mcore, Bayesian, FacilityLocation, Fps, Pool};
use numpy::{PyArray1, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

use crate::arrays::{Candidates, Matrix, groups, index_array};
use crate::choices::{self, distance, engine};
use crate::door::{Threads, enter, enter_ok};
use crate::errors::{Refusal, invalid};
use crate::posterior::Posterior;

/// A greedy selection; `advance` picks more candidates.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct Selection {
    inner: Box<dyn mcore::Selection>,
    candidates: Candidates,
    n_threads: Option<Threads>,
}

impl Selection {
    /// Begin with the pool made of the candidates.
    pub(crate) fn begin<S: mcore::Selection + 'static>(
        py: Python<'_>,
        candidates: Candidates,
        n_threads: Option<Threads>,
        begin: impl FnOnce(&Pool<'_>) -> mcore::Result<S> + Send,
    ) -> PyResult<Self> {
        let inner = candidates.with_pool(py, |pool| enter(py, n_threads, || begin(pool)))?;
        Ok(Self { inner: Box::new(inner), candidates, n_threads })
    }

    /// Call `step` with the pool that the selection began with.
    fn step<T: Send>(
        &mut self,
        py: Python<'_>,
        step: impl FnOnce(&mut dyn mcore::Selection, &Pool<'_>) -> mcore::Result<T> + Send,
    ) -> PyResult<T> {
        let (inner, n_threads) = (&mut *self.inner, self.n_threads);
        self.candidates.with_pool(py, |pool| enter(py, n_threads, || step(inner, pool)))
    }
}

#[pymethods]
impl Selection {
    /// Bayesian selection, given the posterior before the first pick.
    #[staticmethod]
    #[pyo3(signature = (posterior, score, pool, *, atoms=None, offsets=None, target=None, engine="lazy", max_memory=usize::MAX, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn bayesian(
        py: Python<'_>,
        posterior: &Posterior,
        score: &str,
        pool: Py<PyAny>,
        atoms: Option<Py<PyAny>>,
        offsets: Option<PyReadonlyArray1<'_, i64>>,
        target: Option<&Bound<'_, PyAny>>,
        engine: &str,
        max_memory: usize,
        n_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let score = choices::score(score, max_memory)?;
        let engine = self::engine(engine)?;
        let observed = match (atoms, offsets) {
            (Some(atoms), Some(offsets)) => Some((atoms, groups(&offsets)?)),
            (None, None) => None,
            _ => {
                return Err(invalid("atoms and offsets belong together: give both or neither"));
            }
        };
        let target = target.map(|target| Matrix::extract(target, "the target")).transpose()?;
        let target = target.as_ref().map(|target| target.rows("the target")).transpose()?;
        let posterior = posterior.inner.clone();
        let candidates = Candidates { pool, observed, core: None };
        Self::begin(py, candidates, n_threads, |pool| match &target {
            None => Bayesian::new(posterior, &score, pool, engine),
            Some(target) => Bayesian::with_target(posterior, &score, pool, target, engine),
        })
    }

    /// Farthest point sampling.
    #[staticmethod]
    #[pyo3(signature = (pool, core=None, *, metric="euclidean", scale="standard", initialize=None, engine="lazy", n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn fps(
        py: Python<'_>,
        pool: Py<PyAny>,
        core: Option<Py<PyAny>>,
        metric: &str,
        scale: &str,
        initialize: Option<usize>,
        engine: &str,
        n_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let (distance, engine) = (distance(metric, scale)?, self::engine(engine)?);
        let candidates = Candidates { pool, observed: None, core };
        Self::begin(py, candidates, n_threads, |pool| Fps::new(pool, distance, initialize, engine))
    }

    /// Facility location.
    #[staticmethod]
    #[pyo3(signature = (pool, core=None, *, metric="euclidean", scale="standard", engine="lazy", max_memory=usize::MAX, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn facility_location(
        py: Python<'_>,
        pool: Py<PyAny>,
        core: Option<Py<PyAny>>,
        metric: &str,
        scale: &str,
        engine: &str,
        max_memory: usize,
        n_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let (distance, engine) = (distance(metric, scale)?, self::engine(engine)?);
        let candidates = Candidates { pool, observed: None, core };
        Self::begin(py, candidates, n_threads, |pool| FacilityLocation::new(pool, distance, engine, max_memory))
    }

    /// Do the work before the next pick now. Otherwise the next pick does it.
    fn prepare(&mut self, py: Python<'_>) -> PyResult<()> {
        while self.step(py, |selection, pool| selection.prepare(pool))? {
            py.check_signals()?;
        }
        Ok(())
    }

    /// The candidate that would be picked next and its score, or None if none is left.
    fn propose(&mut self, py: Python<'_>) -> PyResult<Option<(usize, f64)>> {
        self.prepare(py)?;
        self.step(py, |selection, pool| selection.propose(pool))
    }

    /// Pick the `count` best candidates, one after the other.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.prepare(py)?;
        self.step(py, |selection, pool| selection.advance(pool, count))
    }

    /// Pick a candidate, whether or not it is the best.
    fn accept(&mut self, py: Python<'_>, candidate: usize) -> PyResult<()> {
        self.step(py, |selection, pool| selection.accept(pool, candidate))
    }

    /// Never pick these candidates.
    fn exclude(&mut self, candidates: Vec<usize>) -> PyResult<()> {
        self.inner.exclude(&candidates).map_err(Refusal::exception)
    }

    /// Number of candidates that are neither picked nor excluded.
    #[getter]
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    /// The picks so far, int64, in order.
    #[getter]
    fn indices<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        index_array(py, self.inner.indices())
    }

    /// The score of each pick when it was picked.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.scores().to_pyarray(py)
    }

    /// Cumulative information after each pick, in nat.
    #[getter]
    fn information<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(self.inner.information().ok_or_else(|| absent("information"))?.to_pyarray(py))
    }

    /// The posterior after all picks so far.
    fn posterior(&self, py: Python<'_>) -> PyResult<Posterior> {
        let posterior = enter_ok(py, self.n_threads, || self.inner.posterior())?;
        Ok(Posterior { inner: posterior.ok_or_else(|| absent("posterior"))? })
    }

    /// For rows outside memory, the number of windows so far, and the number of rows read after the survey of all rows.
    #[getter]
    fn reading(&self) -> PyResult<(usize, usize)> {
        let reading = self.inner.reading().ok_or_else(|| absent("reading"))?;
        Ok((reading.windows, reading.rows_read))
    }

    /// Sum over the pool of the distance to the nearest of core and picks.
    #[getter]
    fn loss(&self) -> PyResult<f64> {
        self.inner.loss().ok_or_else(|| absent("loss"))
    }
}

/// The error for an attribute that the method does not have.
fn absent(name: &str) -> PyErr {
    PyAttributeError::new_err(format!("this method of selection has no {name}"))
}

/// Largest number of bytes of a score with a target, for given numbers of candidates and target rows. Rounded rows are in
/// a file if more than `max_memory` bytes would be needed otherwise.
#[pyfunction]
pub(crate) fn pool_score_bytes(
    score: &str,
    candidates: usize,
    target: usize,
    dim: usize,
    max_memory: usize,
) -> PyResult<usize> {
    Ok(choices::score(score, max_memory)?.pool_bytes(candidates, target, dim))
}

/// Largest number of bytes of facility location for given numbers of rows, and the same if rounded rows are in a file.
#[pyfunction]
pub(crate) fn facility_location_bytes(pool: usize, core: usize, dim: usize) -> (usize, usize) {
    (FacilityLocation::bytes(pool, core, dim), FacilityLocation::bytes_beside_file(pool, core, dim))
}
