//! Greedy selection in steps that Python drives, whatever the method.

use mlipselect_core::{self as mcore, Bayesian, BayesianScore, FacilityLocation, Fps, Pool};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, ToPyArray};
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;

use crate::arrays::{Candidates, Matrix, groups, index_array};
use crate::choices::{distance, engine, metric};
use crate::door::{enter, enter_ok};
use crate::errors::{Refusal, invalid};
use crate::posterior::Posterior;

/// A selection under way; `advance` picks more.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct Selection {
    inner: Box<dyn mcore::Selection>,
    candidates: Candidates,
    n_threads: Option<usize>,
}

impl Selection {
    /// Begin with the pool made of the candidates.
    fn begin<S: mcore::Selection + 'static>(
        py: Python<'_>,
        candidates: Candidates,
        n_threads: Option<usize>,
        begin: impl FnOnce(&Pool<'_>) -> mcore::Result<S> + Send,
    ) -> PyResult<Self> {
        let inner = candidates.with_pool(py, |pool| enter(py, n_threads, || begin(pool)))?;
        Ok(Self { inner: Box::new(inner), candidates, n_threads })
    }

    /// Go on with the pool that the selection began with.
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
    /// Bayesian selection, given what is known before the first pick.
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
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let score = match score {
            "energy" => BayesianScore::Energy,
            "logdet" => BayesianScore::LogDet,
            "pool_variance" => BayesianScore::PoolVariance,
            "pool_std" => BayesianScore::PoolStd { max_memory },
            other => {
                return Err(invalid(format!(
                    "score must be 'energy', 'logdet', 'pool_variance' or 'pool_std', given '{other}'"
                )));
            }
        };
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
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (distance, engine) = (distance(metric, scale)?, self::engine(engine)?);
        let candidates = Candidates { pool, observed: None, core };
        Self::begin(py, candidates, n_threads, |pool| Fps::new(pool, distance, initialize, engine))
    }

    /// Farthest point sampling from a pool whose lengths to what is there already are known, see `nearest_lengths`.
    #[staticmethod]
    #[pyo3(signature = (pool, lengths, *, metric="euclidean", factors=None, engine="lazy", n_threads=None))]
    fn fps_with_lengths(
        py: Python<'_>,
        pool: Py<PyAny>,
        lengths: PyReadonlyArray1<'_, f64>,
        metric: &str,
        factors: Option<PyReadonlyArray1<'_, f64>>,
        engine: &str,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (metric, engine) = (self::metric(metric)?, self::engine(engine)?);
        let lengths = lengths.as_array().to_vec();
        let factors = factors.map(|factors| factors.as_array().to_vec());
        let candidates = Candidates { pool, observed: None, core: None };
        Self::begin(py, candidates, n_threads, |pool| {
            Fps::with_lengths(pool, metric, factors.as_deref(), lengths, engine)
        })
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
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let (distance, engine) = (distance(metric, scale)?, self::engine(engine)?);
        let candidates = Candidates { pool, observed: None, core };
        Self::begin(py, candidates, n_threads, |pool| FacilityLocation::new(pool, distance, engine, max_memory))
    }

    /// The candidate that would be picked next and its score, or None if none is left.
    fn propose(&mut self, py: Python<'_>) -> PyResult<Option<(usize, f64)>> {
        self.step(py, |selection, pool| selection.propose(pool))
    }

    /// Pick the `count` best candidates, one after the other.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        self.step(py, |selection, pool| selection.advance(pool, count))
    }

    /// Pick a candidate, the best or not.
    fn accept(&mut self, py: Python<'_>, candidate: usize) -> PyResult<()> {
        self.step(py, |selection, pool| selection.accept(pool, candidate))
    }

    /// Never pick these.
    fn exclude(&mut self, candidates: Vec<usize>) -> PyResult<()> {
        self.inner.exclude(&candidates).map_err(Refusal::exception)
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

    /// The score of each pick when it was picked.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.scores().to_pyarray(py)
    }

    /// Information of the picks up to each one, in nat.
    #[getter]
    fn information<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(self.inner.information().ok_or_else(|| absent("information"))?.to_pyarray(py))
    }

    /// Rows `w` such that the picks so far took `sum (w.x)^2` off the variance of any row `x`, or None if there are so
    /// many that not all are kept.
    fn directions<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let Some(directions) = self.inner.directions() else { return Ok(None) };
        let dim = self.candidates.with_pool(py, |pool| Ok(pool.dim()))?;
        let count = directions.len() / dim;
        Ok(Some(PyArray1::from_vec(py, directions).reshape([count, dim])?))
    }

    /// The posterior that knows every pick so far.
    fn posterior(&self, py: Python<'_>) -> PyResult<Posterior> {
        let posterior = enter_ok(py, self.n_threads, || self.inner.posterior())?;
        Ok(Posterior { inner: posterior.ok_or_else(|| absent("posterior"))? })
    }

    /// Sum over the pool of the distance to the nearest of core and picks.
    #[getter]
    fn loss(&self) -> PyResult<f64> {
        self.inner.loss().ok_or_else(|| absent("loss"))
    }
}

/// An attribute that not every method has.
fn absent(name: &str) -> PyErr {
    PyAttributeError::new_err(format!("this method of selection has no {name}"))
}

/// Bytes that facility location takes for so many rows of pool and core, at most.
#[pyfunction]
pub(crate) fn facility_location_bytes(pool: usize, core: usize, dim: usize) -> usize {
    FacilityLocation::bytes(pool, core, dim)
}
