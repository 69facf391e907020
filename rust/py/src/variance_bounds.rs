//! Bounds of variances of rows that Python keeps, rounded, where it likes.

use mlipselect_core as mcore;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::prelude::*;

use crate::arrays::{Matrix, index_array, indices};
use crate::door::enter;
use crate::errors::Refusal;
use crate::posterior::Posterior;

/// Rounded rows: integers, scale and error of each, and variances.
type Rounded<'py> = (Bound<'py, PyArray2<i16>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f64>>);

/// Falls, counts and sums.
type Followed<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>);

/// Rounds rows by a posterior, and bounds how far their variances fall as directions are observed.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct VarianceBounds {
    inner: mcore::VarianceBounds,
    n_threads: Option<usize>,
}

#[pymethods]
impl VarianceBounds {
    #[new]
    #[pyo3(signature = (posterior, *, n_threads=None))]
    fn new(posterior: &Posterior, n_threads: Option<usize>) -> Self {
        Self { inner: mcore::VarianceBounds::new(&posterior.inner), n_threads }
    }

    /// Integers of a row.
    #[getter]
    fn width(&self) -> usize {
        self.inner.width()
    }

    /// Directions so far.
    #[getter]
    fn count(&self) -> usize {
        self.inner.count()
    }

    /// Round rows: their integers, the scale and the error of each, and their variances.
    fn round<'py>(&self, py: Python<'py>, rows: &Bound<'py, PyAny>) -> PyResult<Rounded<'py>> {
        let matrix = Matrix::extract(rows, "the rows")?;
        let matrix = matrix.rows("the rows")?;
        let rounded = enter(py, self.n_threads, || self.inner.round(&matrix))?;
        let len = rounded.variances.len();
        let integers = PyArray1::from_vec(py, rounded.integers.into_owned()).reshape([len, self.inner.width()])?;
        let roundings = PyArray1::from_vec(py, rounded.roundings.into_flattened()).reshape([len, 2])?;
        Ok((integers, roundings, rounded.variances.to_pyarray(py)))
    }

    /// Account for directions, one a row.
    fn observe(&mut self, directions: PyReadonlyArray2<'_, f64>) -> PyResult<()> {
        let directions: Vec<f64> = directions.as_array().iter().copied().collect();
        self.inner.observe(&directions).map_err(Refusal::exception)
    }

    /// Follow some of the rounded rows along the directions until what is left of their variance is below the threshold:
    /// `counts` are the directions that each has come to, and `sums` its squared products with them. Returned is what the
    /// variances fell by at least since they were rounded, and both of these as they are then.
    #[expect(clippy::too_many_arguments, reason = "what is kept of rows is kept in numpy arrays")]
    fn follow<'py>(
        &self,
        py: Python<'py>,
        integers: PyReadonlyArray2<'py, i16>,
        roundings: PyReadonlyArray2<'py, f32>,
        variances: PyReadonlyArray1<'py, f64>,
        which: PyReadonlyArray1<'py, i64>,
        counts: PyReadonlyArray1<'py, i64>,
        sums: PyReadonlyArray1<'py, f64>,
        threshold: f64,
    ) -> PyResult<Followed<'py>> {
        let rows = mcore::RoundedRows {
            integers: integers.as_slice()?.into(),
            roundings: roundings.as_array().rows().into_iter().map(|row| [row[0], row[1]]).collect(),
            variances: variances.as_array().to_vec(),
        };
        let which = indices(&which, "which")?;
        let counts = indices(&counts, "counts")?;
        let mut progress: Vec<mcore::Progress> =
            counts.into_iter().zip(sums.as_array()).map(|(count, &sum)| mcore::Progress { count, sum }).collect();
        let falls = enter(py, self.n_threads, || self.inner.follow(&rows, &which, &mut progress, threshold))?;
        let counts: Vec<usize> = progress.iter().map(|progress| progress.count).collect();
        let sums: Vec<f64> = progress.iter().map(|progress| progress.sum).collect();
        Ok((falls.to_pyarray(py), index_array(py, &counts), sums.to_pyarray(py)))
    }
}
