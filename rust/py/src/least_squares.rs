//! Linear least squares, row by row.

use mlipselect_core as mcore;
use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::Matrix;
use crate::door::{Threads, enter, enter_ok};
use crate::errors::{Refusal, invalid};

/// Linear least squares over any number of rows and targets, in the memory of one triangular matrix.
///
/// Parameters
/// ----------
/// dim : int
///     Number of features.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct LeastSquares {
    inner: mcore::LeastSquares,
}

#[pymethods]
impl LeastSquares {
    #[new]
    fn new(dim: usize) -> PyResult<Self> {
        Ok(Self { inner: mcore::LeastSquares::new(dim).map_err(Refusal::exception)? })
    }

    /// From a `triangle` and the number of rows in it.
    #[staticmethod]
    fn from_triangle(triangle: PyReadonlyArray2<'_, f64>, n_rows: usize) -> PyResult<Self> {
        if triangle.shape()[0] != triangle.shape()[1] {
            return Err(invalid("the triangle must be a square matrix"));
        }
        let values: Vec<f64> = triangle.as_array().iter().copied().collect();
        Ok(Self { inner: mcore::LeastSquares::from_triangle(&values, n_rows).map_err(Refusal::exception)? })
    }

    /// Number of features.
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// Number of rows so far.
    #[getter]
    fn n_rows(&self) -> usize {
        self.inner.count()
    }

    /// Add rows and their targets, each multiplied by its weight.
    ///
    /// Parameters
    /// ----------
    /// rows : ndarray of shape (n, dim)
    ///     float32 or float64.
    /// targets, weights : ndarray of shape (n,)
    ///     float64.
    /// n_threads : int, optional
    ///     Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. The result does not depend on it.
    #[pyo3(signature = (rows, targets, weights, *, n_threads=None))]
    fn add(
        &mut self,
        py: Python<'_>,
        rows: &Bound<'_, PyAny>,
        targets: PyReadonlyArray1<'_, f64>,
        weights: PyReadonlyArray1<'_, f64>,
        n_threads: Option<Threads>,
    ) -> PyResult<()> {
        let matrix = Matrix::extract(rows, "rows")?;
        let rows = matrix.rows("rows")?;
        let (targets, weights): (Vec<f64>, Vec<f64>) =
            (targets.as_array().iter().copied().collect(), weights.as_array().iter().copied().collect());
        enter(py, n_threads, || self.inner.add(&rows, &targets, &weights))
    }

    /// Add the rows of another instance.
    #[pyo3(signature = (other, *, n_threads=None))]
    fn merge(&mut self, py: Python<'_>, other: &Self, n_threads: Option<Threads>) -> PyResult<()> {
        enter(py, n_threads, || self.inner.merge(&other.inner))
    }

    /// The triangle ``[R z; 0 rho]``, a new array of shape (dim + 1, dim + 1).
    #[pyo3(signature = (*, n_threads=None))]
    fn triangle<'py>(&mut self, py: Python<'py>, n_threads: Option<Threads>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let width = self.inner.dim() + 1;
        enter_ok(py, n_threads, || self.inner.triangle())?.to_pyarray(py).reshape([width, width])
    }

    /// Sum of squared residuals of a model with these weights.
    fn squared_error(&mut self, weights: PyReadonlyArray1<'_, f64>) -> PyResult<f64> {
        let weights: Vec<f64> = weights.as_array().iter().copied().collect();
        self.inner.squared_error(&weights).map_err(Refusal::exception)
    }

    /// An independent copy.
    fn copy(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}
