//! k-medoids in steps that Python drives.

use mlipselect_core::{KMedoids, Rows, Scaled, Start, View, standard_scales};
use numpy::{PyArray1, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, MatrixRows, index_array};
use crate::errors::{from_core, invalid};
use crate::threads::detached;

/// Medoids, the sizes of their clusters, the label of every row and the loss.
type Found<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<i64>>, f64);

/// First medoids, and swaps that `advance` makes.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct MedoidSwaps {
    inner: KMedoids,
    arrays: Arrays,
    n_threads: Option<usize>,
}

/// The arrays that belong to Python, kept alive here, and what their columns are multiplied by.
struct Arrays {
    pool: Py<PyAny>,
    core: Option<Py<PyAny>>,
    scales: Option<Vec<f64>>,
}

impl Arrays {
    fn new(
        py: Python<'_>,
        pool: Py<PyAny>,
        core: Option<Py<PyAny>>,
        scale: &str,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let mut arrays = Self { pool, core, scales: None };
        let scales = match scale {
            "none" => None,
            "standard" => Some(arrays.with_rows(py, |pool, core| {
                detached(py, n_threads, || standard_scales(&[("the pool", pool), ("the core", core)]))?
                    .map_err(from_core)
            })?),
            other => {
                return Err(invalid(format!("scale must be 'standard' or 'none', given '{other}'")));
            }
        };
        arrays.scales = scales;
        Ok(arrays)
    }

    /// Call `work` with the rows of the pool and of the core, which may be empty.
    fn with_rows<T>(&self, py: Python<'_>, work: impl FnOnce(&dyn Rows, &dyn Rows) -> PyResult<T>) -> PyResult<T> {
        let pool = Matrix::extract(self.pool.bind(py), "the pool")?;
        let pool = pool.rows("the pool")?;
        let core = self.core.as_ref().map(|core| Matrix::extract(core.bind(py), "the core")).transpose()?;
        let core = match &core {
            Some(core) => core.rows("the core")?,
            None => MatrixRows::F64(View::new(&[], 0, pool.dim()).map_err(from_core)?),
        };
        match &self.scales {
            None => work(&pool, &core),
            Some(scales) => {
                let scaled_core = Scaled::new(&core, scales).map_err(from_core)?;
                work(&Scaled::new(&pool, scales).map_err(from_core)?, &scaled_core)
            }
        }
    }
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
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let start = match init {
            "build" => Start::Build,
            "lab" => Start::Lab { seed },
            "k-medoids++" => Start::PlusPlus { seed },
            other => {
                return Err(invalid(format!("init must be 'build', 'lab' or 'k-medoids++', given '{other}'")));
            }
        };
        let arrays = Arrays::new(py, pool, core, scale, n_threads)?;
        let inner = arrays.with_rows(py, |pool, core| {
            detached(py, n_threads, || KMedoids::new(pool, core, n_to_select, &exclude, start, max_memory))?
                .map_err(from_core)
        })?;
        Ok(Self { inner, arrays, n_threads })
    }

    /// Bytes that are taken for the rows and medoids, before any list of neighbours.
    #[staticmethod]
    fn row_bytes(pool: usize, core: usize, dim: usize, n_to_select: usize) -> usize {
        KMedoids::row_bytes(pool, core, dim, n_to_select)
    }

    /// Bytes that the lists of neighbours are expected to take; none before all first medoids are chosen.
    #[getter]
    fn list_bytes(&self) -> Option<usize> {
        self.inner.list_bytes()
    }

    /// Candidates whose lists are expected to fit into memory at a time.
    #[getter]
    fn window(&self) -> usize {
        self.inner.window()
    }

    /// Go on with the first medoids, or visit up to `count` candidates more.
    fn advance(&mut self, py: Python<'_>, count: usize) -> PyResult<()> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        detached(py, n_threads, || inner.advance(count))?.map_err(from_core)
    }

    /// First medoids chosen so far.
    #[getter]
    fn started(&self) -> usize {
        self.inner.started()
    }

    /// Whether no swap helps any more.
    #[getter]
    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    /// Candidates visited so far, each as often as it was its turn.
    #[getter]
    fn visited(&self) -> usize {
        self.inner.visited()
    }

    /// Swaps so far.
    #[getter]
    fn swaps(&self) -> usize {
        self.inner.swaps()
    }

    /// The medoids so far, the sizes of their clusters, the label of every row (-1: the core) and the loss.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Found<'py>> {
        let medoids =
            self.arrays.with_rows(py, |pool, core| detached(py, self.n_threads, || self.inner.medoids(pool, core)))?;
        let sizes: Vec<f64> = medoids.sizes.iter().map(|&size| size as f64).collect();
        let labels: Vec<i64> = medoids.labels.iter().map(|label| label.map_or(-1, |i| i as i64)).collect();
        Ok((index_array(py, &medoids.indices), sizes.to_pyarray(py), labels.to_pyarray(py), medoids.loss))
    }
}
