//! k-medoids in steps that Python drives.

use mlipselect_core::{KMedoids, Start};
use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Candidates, index_array};
use crate::choices;
use crate::door::{Threads, enter};
use crate::errors::invalid;

/// Medoids, the sizes of their clusters, the label of every row and the loss.
type Found<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<i64>>, f64);

/// A k-medoids clustering: first medoids, then swaps, both in steps of `advance`.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct MedoidSwaps {
    inner: KMedoids,
    candidates: Candidates,
    n_threads: Option<Threads>,
}

#[pymethods]
impl MedoidSwaps {
    #[new]
    #[pyo3(signature = (pool, n_to_select, *, core=None, exclude=Vec::new(), init="build", seed=0, scale="standard", max_memory=usize::MAX, n_threads=None))]
    #[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
    fn new(
        py: Python<'_>,
        pool: Py<PyAny>,
        n_to_select: usize,
        core: Option<Py<PyAny>>,
        exclude: Vec<usize>,
        init: &str,
        seed: u64,
        scale: &str,
        max_memory: usize,
        n_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let start = match init {
            "build" => Start::Build,
            "lab" => Start::Lab { seed },
            "k-medoids++" => Start::PlusPlus { seed },
            other => {
                return Err(invalid(format!("init must be 'build', 'lab' or 'k-medoids++', given '{other}'")));
            }
        };
        let scale = choices::scale(scale)?;
        let candidates = Candidates { pool, observed: None, core };
        let inner = candidates.with_pool(py, |pool| {
            enter(py, n_threads, || KMedoids::new(pool, n_to_select, &exclude, scale, start, max_memory))
        })?;
        Ok(Self { inner, candidates, n_threads })
    }

    /// Bytes of the rows and medoids, without lists of neighbours.
    #[staticmethod]
    fn row_bytes(pool: usize, core: usize, dim: usize, n_to_select: usize) -> usize {
        KMedoids::row_bytes(pool, core, dim, n_to_select)
    }

    /// Expected bytes of the lists of neighbours; None before all first medoids are chosen.
    #[getter]
    fn list_bytes(&self) -> Option<usize> {
        self.inner.list_bytes()
    }

    /// Number of candidates whose lists are expected to fit into memory together.
    #[getter]
    fn window(&self) -> usize {
        self.inner.window()
    }

    /// Continue the choice of first medoids, or visit up to `count` further candidates.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        enter(py, n_threads, || inner.advance(count))
    }

    /// Number of first medoids chosen so far.
    #[getter]
    fn started(&self) -> usize {
        self.inner.started()
    }

    /// Whether no swap helps any more.
    #[getter]
    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    /// Number of visits of candidates so far; a candidate counts at each visit.
    #[getter]
    fn visited(&self) -> usize {
        self.inner.visited()
    }

    /// Number of swaps so far.
    #[getter]
    fn swaps(&self) -> usize {
        self.inner.swaps()
    }

    /// The medoids so far, the sizes of their clusters, the label of every row (-1: the core) and the loss.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Found<'py>> {
        let medoids = self.candidates.with_pool(py, |pool| enter(py, self.n_threads, || self.inner.medoids(pool)))?;
        let sizes: Vec<f64> = medoids.sizes.iter().map(|&size| size as f64).collect();
        let labels: Vec<i64> = medoids.labels.iter().map(|label| label.map_or(-1, |i| i as i64)).collect();
        Ok((index_array(py, &medoids.indices), sizes.to_pyarray(py), labels.to_pyarray(py), medoids.loss))
    }
}
