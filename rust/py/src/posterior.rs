//! The posterior of Bayesian linear regression.

use std::path::PathBuf;

use mlipselect_core as mcore;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArrayDyn, PyUntypedArrayMethods,
    ToPyArray,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arrays::{Matrix, readable, with_pool_and_core};
use crate::door::{Threads, enter, enter_ok};
use crate::errors::{Refusal, invalid};

/// Posterior of Bayesian linear regression, which depends on the observed rows but not on their labels.
///
/// ``Sigma^-1 = Sigma_0^-1 + beta Psi^T Psi`` is the precision of the weights, with ``Psi`` the rows observed so far.
///
/// Parameters
/// ----------
/// dim : int
///     Number of features, and of weights.
/// prior_precision : float or ndarray of shape (dim,) or (dim, dim)
///     Inverse of the prior covariance ``Sigma_0`` of the weights.
/// noise_precision : float, default=1.0
///     ``beta``, the inverse of the noise variance of the observation that a row stands for.
///
/// Raises
/// ------
/// InvalidInputError
///     If the prior is singular or of another size, or the noise precision is not positive.
#[pyclass(module = "mlipselect")]
pub(crate) struct Posterior {
    pub(crate) inner: mcore::Posterior,
}

#[pymethods]
impl Posterior {
    #[new]
    #[pyo3(signature = (dim, prior_precision, noise_precision=1.0))]
    fn new(dim: usize, prior_precision: &Bound<'_, PyAny>, noise_precision: f64) -> PyResult<Self> {
        let prior = prior(prior_precision)?;
        let inner = mcore::Posterior::new(dim, prior, noise_precision).map_err(Refusal::exception)?;
        Ok(Self { inner })
    }

    /// Number of features.
    #[getter]
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    /// Inverse of the noise variance.
    #[getter]
    fn noise_precision(&self) -> f64 {
        self.inner.noise_precision()
    }

    /// Covariance of the weights, a new array of shape (dim, dim).
    #[getter]
    fn covariance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let covariance = enter_ok(py, None, || self.inner.covariance())?;
        covariance.to_pyarray(py).reshape([self.inner.dim(), self.inner.dim()])
    }

    /// Observe rows.
    ///
    /// Parameters
    /// ----------
    /// rows : ndarray of shape (n, dim)
    ///     float32 or float64 in row order, any number of rows. Others are copied.
    /// n_threads : int, optional
    ///     Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
    #[pyo3(signature = (rows, *, n_threads=None))]
    fn update(&mut self, py: Python<'_>, rows: &Bound<'_, PyAny>, n_threads: Option<Threads>) -> PyResult<()> {
        let rows = readable(rows, "rows")?;
        let matrix = Matrix::extract(&rows, "rows")?;
        let rows = matrix.rows("rows")?;
        enter(py, n_threads, || self.inner.update(&rows))
    }

    /// Predictive variance ``x^T Sigma x`` of each row, without the noise.
    ///
    /// Parameters
    /// ----------
    /// rows : ndarray of shape (n, dim)
    ///     float32 or float64 in row order. Others are copied.
    /// n_threads : int, optional
    ///     Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor.
    ///
    /// Returns
    /// -------
    /// ndarray of shape (n,)
    #[pyo3(signature = (rows, *, n_threads=None))]
    fn variance<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        n_threads: Option<Threads>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let rows = readable(rows, "rows")?;
        let matrix = Matrix::extract(&rows, "rows")?;
        let rows = matrix.rows("rows")?;
        let variance = enter(py, n_threads, || self.inner.variance(&rows))?;
        Ok(variance.to_pyarray(py))
    }

    /// Standard deviation ``s = sqrt(x^T Sigma x)`` of one row, and its derivative by the row, ``Sigma x / s``.
    ///
    /// Parameters
    /// ----------
    /// row : ndarray of shape (dim,)
    ///
    /// Returns
    /// -------
    /// float
    ///     The standard deviation, without the noise.
    /// ndarray of shape (dim,)
    ///     The derivative; zero where the standard deviation is zero.
    fn deviation<'py>(
        &self,
        py: Python<'py>,
        row: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<(f64, Bound<'py, PyArray1<f64>>)> {
        let row = row.as_array().to_vec();
        let (deviation, derivative) = enter(py, None, || self.inner.deviation(&row))?;
        Ok((deviation, derivative.into_pyarray(py)))
    }

    /// ``ln det Sigma``.
    fn logdet(&self) -> f64 {
        self.inner.log_det()
    }

    /// ``(ln det Sigma_0 - ln det Sigma) / 2``: the information of all observations so far about the weights, in nat.
    fn information(&self) -> f64 {
        self.inner.information()
    }

    /// ``tr(Sigma beta Psi^T Psi)``: the number of directions that observations determine, not the prior.
    fn effective_dimension(&self, py: Python<'_>) -> PyResult<f64> {
        enter_ok(py, None, || self.inner.effective_dimension())
    }

    /// An independent copy.
    fn copy(&self) -> Self {
        Self { inner: self.inner.clone() }
    }

    /// Write the posterior to a file in the safetensors format; an existing file is replaced in one step.
    ///
    /// Parameters
    /// ----------
    /// path : str or os.PathLike
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        enter(py, None, || self.inner.save(&path))
    }

    /// Read a posterior that `save` wrote.
    ///
    /// Parameters
    /// ----------
    /// path : str or os.PathLike
    ///
    /// Returns
    /// -------
    /// Posterior
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(Self { inner: enter(py, None, || mcore::Posterior::load(&path))? })
    }

    /// Make a posterior from the bytes of `__reduce__`.
    #[staticmethod]
    fn _from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self { inner: mcore::Posterior::from_bytes(data).map_err(invalid)? })
    }

    /// Pickle support, for sending posteriors to other processes.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let bytes = slf.borrow().inner.to_bytes().map_err(invalid)?;
        Ok((slf.getattr("_from_bytes")?, (PyBytes::new(slf.py(), &bytes),)))
    }

    fn __repr__(&self) -> String {
        format!(
            "Posterior(dim={}, noise_precision={}, information={:.6})",
            self.inner.dim(),
            self.inner.noise_precision(),
            self.inner.information()
        )
    }
}

fn prior(value: &Bound<'_, PyAny>) -> PyResult<mcore::Prior> {
    if let Ok(alpha) = value.extract::<f64>() {
        return Ok(mcore::Prior::Isotropic(alpha));
    }
    let array: PyReadonlyArrayDyn<'_, f64> = (value.py().import("mlipselect.utils.unmasked")?)
        .call_method1("unmasked", ("prior_precision", value, "float64"))
        .and_then(|array| array.extract())
        .map_err(|_| invalid("prior_precision must be a number or an array of numbers, none of them masked"))?;
    let values: Vec<f64> = array.as_array().iter().copied().collect();
    match *array.shape() {
        [] => Ok(mcore::Prior::Isotropic(values[0])),
        [_] => Ok(mcore::Prior::Diagonal(values)),
        [rows, columns] if rows == columns => Ok(mcore::Prior::Full(values)),
        ref shape => Err(invalid(format!(
            "prior_precision must be a number, a vector or a square matrix, given an array of shape {shape:?}"
        ))),
    }
}

/// Mean square of the elements of two matrices together; the second may be None.
#[pyfunction]
#[pyo3(signature = (pool, core, n_threads=None))]
pub(crate) fn mean_square(
    py: Python<'_>,
    pool: &Bound<'_, PyAny>,
    core: Option<&Bound<'_, PyAny>>,
    n_threads: Option<Threads>,
) -> PyResult<f64> {
    with_pool_and_core(pool, core, |matrices| enter(py, n_threads, || mcore::mean_square(matrices)))
}
