//! Bayesian selection in steps that Python drives.

use mlipselect_core::{Bayesian, BayesianScore, Groups, Pool};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, groups, index_array};
use crate::choices::engine;
use crate::errors::{from_core, invalid};
use crate::posterior::Posterior;
use crate::threads::detached;

/// A selection under way; `advance` picks more.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct BayesianSelection {
    inner: Bayesian,
    arrays: Arrays,
    n_threads: Option<usize>,
}

/// The arrays that belong to Python, kept alive here.
struct Arrays {
    pool: Py<PyAny>,
    observed: Option<(Py<PyAny>, Groups)>,
}

impl Arrays {
    /// Call `work` with the pool made of the arrays.
    fn with_pool<T>(&self, py: Python<'_>, work: impl FnOnce(&Pool<'_>) -> PyResult<T>) -> PyResult<T> {
        let pool = Matrix::extract(self.pool.bind(py), "the pool")?;
        let structures = pool.rows("the pool")?;
        match &self.observed {
            None => work(&Pool::new(structures)),
            Some((atoms, groups)) => {
                let atoms = Matrix::extract(atoms.bind(py), "the matrix of atoms")?;
                let atoms = atoms.rows("the matrix of atoms")?;
                work(&Pool::with_groups(structures, atoms, groups.clone()).map_err(from_core)?)
            }
        }
    }
}

#[pymethods]
impl BayesianSelection {
    #[new]
    #[pyo3(signature = (posterior, score, pool, *, atoms=None, offsets=None, target=None, engine="lazy", max_memory=usize::MAX, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn new(
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
        let arrays = Arrays { pool, observed };
        let target = target.map(|target| Matrix::extract(target, "the target")).transpose()?;
        let target = target.as_ref().map(|target| target.rows("the target")).transpose()?;
        let posterior = posterior.inner.clone();
        let inner = arrays.with_pool(py, |pool| {
            detached(py, n_threads, || match &target {
                None => Bayesian::new(posterior, &score, pool, engine),
                Some(target) => Bayesian::with_target(posterior, &score, pool, target, engine),
            })?
            .map_err(from_core)
        })?;
        Ok(Self { inner, arrays, n_threads })
    }

    /// The candidate that would be picked next and its score, or None if none is left.
    fn propose(&mut self, py: Python<'_>) -> PyResult<Option<(usize, f64)>> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.arrays.with_pool(py, |pool| detached(py, n_threads, || inner.propose(pool))?.map_err(from_core))
    }

    /// Pick `count` more.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.arrays.with_pool(py, |pool| detached(py, n_threads, || inner.advance(pool, count))?.map_err(from_core))
    }

    /// Pick a candidate, the best or not.
    fn pick(&mut self, py: Python<'_>, candidate: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.arrays.with_pool(py, |pool| detached(py, n_threads, || inner.pick(pool, candidate))?.map_err(from_core))
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

    /// The score of each pick when it was picked.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.scores().to_pyarray(py)
    }

    /// Information of the picks up to each one, in nat.
    #[getter]
    fn information<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.inner.information().to_pyarray(py)
    }

    /// Rows `w` such that the picks so far took `sum (w.x)^2` off the variance of any row `x`, or None if there are so
    /// many that not all are kept.
    fn directions<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let Some(directions) = self.inner.directions() else { return Ok(None) };
        let dim = self.inner.dim();
        let count = directions.len() / dim;
        Ok(Some(PyArray1::from_vec(py, directions).reshape([count, dim])?))
    }

    /// The posterior that knows every pick so far.
    fn posterior(&self, py: Python<'_>) -> Posterior {
        Posterior { inner: py.detach(|| self.inner.posterior()) }
    }
}
