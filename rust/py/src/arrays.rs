//! numpy arrays as the core's matrices, without copies.

use std::ops::Range;

use mlipselect_core::{Beside, Element, Groups, Parts, Pool, Rows, View};
use numpy::{
    Element as NumpyElement, PyArray1, PyArrayDescrMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray,
    PyUntypedArrayMethods, ToPyArray,
};
use pyo3::prelude::*;

use crate::errors::{Refusal, invalid, named};

/// A float32 or float64 matrix borrowed from Python.
pub(crate) enum Matrix<'py> {
    F32(Array<'py, f32>),
    F64(Array<'py, f64>),
    /// Consecutive matrices, from the attribute `parts` of a Python object, and their width.
    Parts(Vec<Matrix<'py>>, usize),
    /// Two matrices side by side, which Python hands out as `beside`.
    Beside(Box<(Matrix<'py>, Matrix<'py>)>),
}

/// A borrowed array.
pub(crate) struct Array<'py, T: NumpyElement> {
    elements: PyReadonlyArray2<'py, T>,
    /// Whether the elements lie in a file that is mapped for reading.
    in_file: bool,
}

impl<'py, T: NumpyElement> Array<'py, T> {
    fn extract(array: &Bound<'py, PyAny>) -> Option<Self> {
        Some(Self { elements: array.extract().ok()?, in_file: is_mapped(array).unwrap_or(false) })
    }
}

/// Rows that compiled code can read: the given ones, or a copy of a matrix of another type or order, as selectors make it.
///
/// # Errors
/// What selectors refuse, masked values among it.
pub(crate) fn readable<'py>(rows: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let may_be_masked = rows.hasattr("mask")?;
    if !may_be_masked && Matrix::extract(rows, name).and_then(|matrix| matrix.rows(name).map(drop)).is_ok() {
        return Ok(rows.clone());
    }
    rows.py().import("mlipselect.selectors.base")?.call_method1("structure_rows", (rows,))
}

/// Whether an array is a read-only `numpy.memmap`. A copy of one in memory has no mode.
fn is_mapped(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    let memmap = array.py().import("numpy")?.getattr("memmap")?;
    Ok(array.is_instance(&memmap)? && array.getattr("mode")?.extract::<&str>()? == "r")
}

impl<'py> Matrix<'py> {
    /// Borrow an array; messages call it `name`.
    pub(crate) fn extract(array: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        if let Some(matrix) = Array::extract(array) {
            return Ok(Self::F64(matrix));
        }
        if let Some(matrix) = Array::extract(array) {
            return Ok(Self::F32(matrix));
        }
        if let Ok(parts) = array.getattr("parts") {
            let parts: PyResult<Vec<_>> = parts.try_iter()?.map(|part| Self::extract(&part?, name)).collect();
            let (_, width): (usize, usize) = array.getattr("shape")?.extract()?;
            return Ok(Self::Parts(parts?, width));
        }
        if let Ok(beside) = array.getattr("beside") {
            let (left, right): (Bound<'py, PyAny>, Bound<'py, PyAny>) = beside.extract()?;
            return Ok(Self::Beside(Box::new((Self::extract(&left, name)?, Self::extract(&right, name)?))));
        }
        Err(invalid(match array.cast::<PyUntypedArray>() {
            Ok(array) => format!(
                "{name} must be a matrix of float32 or float64, given {} dimension(s) of {}",
                array.ndim(),
                array.dtype().typeobj().name()?
            ),
            Err(_) => format!("{name} must be a numpy array, given {}", array.get_type().name()?),
        }))
    }

    /// The rows, without a copy.
    pub(crate) fn rows(&self, name: &str) -> PyResult<MatrixRows<'_>> {
        Ok(match self {
            Self::F32(matrix) => MatrixRows::F32(view(matrix, name)?),
            Self::F64(matrix) => MatrixRows::F64(view(matrix, name)?),
            Self::Parts(parts, width) => {
                let parts: PyResult<Vec<_>> = parts.iter().map(|part| part.rows(name)).collect();
                MatrixRows::Parts(Parts::new(parts?, *width).map_err(Refusal::exception)?)
            }
            Self::Beside(both) => {
                let rows = Beside::new(both.0.rows(name)?, both.1.rows(name)?).map_err(Refusal::exception)?;
                MatrixRows::Beside(Box::new(rows))
            }
        })
    }
}

fn view<'a, T: Element + NumpyElement>(matrix: &'a Array<'_, T>, name: &str) -> PyResult<View<'a, T>> {
    let view = view_in_memory(&matrix.elements, name)?;
    // SAFETY: the rows lie in a file that is mapped read-only.
    Ok(if matrix.in_file { unsafe { view.in_file() } } else { view })
}

fn view_in_memory<'a, T: Element + NumpyElement>(
    matrix: &'a PyReadonlyArray2<'_, T>,
    name: &str,
) -> PyResult<View<'a, T>> {
    let array = matrix.as_array();
    let (len, dim) = array.dim();
    if let Some(all) = array.to_slice() {
        return View::new(all, len, dim).map_err(Refusal::exception);
    }
    let [row, column] = [array.strides()[0], array.strides()[1]];
    let stride = usize::try_from(row).ok().filter(|&row| row >= dim && (column == 1 || dim <= 1) && len > 0);
    let Some(stride) = stride else {
        return Err(invalid(format!(
            "the rows of {name} must lie in memory one after the other: give numpy.ascontiguousarray of it"
        )));
    };
    // SAFETY: the array is borrowed for as long as the slice lives, and its rows, `stride` elements apart and with
    // adjacent elements, all lie within the slice.
    let data = unsafe { std::slice::from_raw_parts(array.as_ptr(), (len - 1) * stride + dim) };
    View::strided(data, len, dim, stride).map_err(Refusal::exception)
}

/// Rows of either element type, or of several matrices.
pub(crate) enum MatrixRows<'a> {
    F32(View<'a, f32>),
    F64(View<'a, f64>),
    Parts(Parts<MatrixRows<'a>>),
    Beside(Box<Beside<MatrixRows<'a>, MatrixRows<'a>>>),
}

impl Rows for MatrixRows<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(view) => view.len(),
            Self::F64(view) => view.len(),
            Self::Parts(parts) => parts.len(),
            Self::Beside(both) => both.len(),
        }
    }

    fn dim(&self) -> usize {
        match self {
            Self::F32(view) => view.dim(),
            Self::F64(view) => view.dim(),
            Self::Parts(parts) => parts.dim(),
            Self::Beside(both) => both.dim(),
        }
    }

    fn read(&self, index: usize, out: &mut [f64]) {
        match self {
            Self::F32(view) => view.read(index, out),
            Self::F64(view) => view.read(index, out),
            Self::Parts(parts) => parts.read(index, out),
            Self::Beside(both) => both.read(index, out),
        }
    }

    fn singles(&self) -> Option<Vec<View<'_, f32>>> {
        match self {
            Self::F32(view) => view.singles(),
            Self::F64(_) => None,
            Self::Parts(parts) => parts.singles(),
            Self::Beside(both) => both.singles(),
        }
    }

    fn is_single(&self) -> bool {
        match self {
            Self::F32(_) => true,
            Self::F64(_) => false,
            Self::Parts(parts) => parts.is_single(),
            Self::Beside(both) => both.is_single(),
        }
    }

    fn expect(&self, rows: Range<usize>) {
        match self {
            Self::F32(view) => view.expect(rows),
            Self::F64(view) => view.expect(rows),
            Self::Parts(parts) => parts.expect(rows),
            Self::Beside(both) => both.expect(rows),
        }
    }

    fn release(&self, rows: Range<usize>) {
        match self {
            Self::F32(view) => view.release(rows),
            Self::F64(view) => view.release(rows),
            Self::Parts(parts) => parts.release(rows),
            Self::Beside(both) => both.release(rows),
        }
    }
}

/// The Python arrays of a pool and its core, which this keeps alive.
pub(crate) struct Candidates {
    pub(crate) pool: Py<PyAny>,
    /// The rows that candidates add when picked, if they are not the rows of the pool.
    pub(crate) observed: Option<(Py<PyAny>, Groups)>,
    pub(crate) core: Option<Py<PyAny>>,
}

impl Candidates {
    /// Call `work` with the pool made of the arrays.
    pub(crate) fn with_pool<T>(&self, py: Python<'_>, work: impl FnOnce(&Pool<'_>) -> PyResult<T>) -> PyResult<T> {
        let extract = |array: &Py<PyAny>, name| Matrix::extract(array.bind(py), name);
        let structures = extract(&self.pool, "the pool")?;
        let atoms = self.observed.as_ref().map(|(atoms, _)| extract(atoms, "the matrix of atoms")).transpose()?;
        let core = self.core.as_ref().map(|core| extract(core, "the core")).transpose()?;
        let structures = structures.rows("the pool")?;
        let mut pool = match (&atoms, &self.observed) {
            (Some(atoms), Some((_, groups))) => {
                Pool::with_groups(structures, atoms.rows("the matrix of atoms")?, groups.clone())
                    .map_err(Refusal::exception)?
            }
            _ => Pool::new(structures),
        };
        if let Some(core) = &core {
            pool = pool.with_core(core.rows("the core")?).map_err(Refusal::exception)?;
        }
        work(&pool).map_err(|error| named(self.pool.bind(py), error))
    }
}

/// Call `work` with the pool and the core, if there is one, each with its name in messages.
pub(crate) fn with_pool_and_core<T>(
    pool: &Bound<'_, PyAny>,
    core: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&[(&'static str, &dyn Rows)]) -> PyResult<T>,
) -> PyResult<T> {
    let pool = Matrix::extract(pool, "the pool")?;
    let core = core.map(|core| Matrix::extract(core, "the core")).transpose()?;
    let pool = pool.rows("the pool")?;
    let core = core.as_ref().map(|core| core.rows("the core")).transpose()?;
    let mut matrices: Vec<(&str, &dyn Rows)> = vec![("the pool", &pool)];
    matrices.extend(core.as_ref().map(|core| ("the core", core as &dyn Rows)));
    work(&matrices)
}

/// Indices from an int64 array; messages call them `name`.
pub(crate) fn indices(array: &PyReadonlyArray1<'_, i64>, name: &str) -> PyResult<Vec<usize>> {
    let indices: Result<Vec<usize>, _> = array.as_array().iter().map(|&i| usize::try_from(i)).collect();
    indices.map_err(|_| invalid(format!("{name} must not be negative")))
}

/// Groups of rows from offsets: the first row of each group, then the number of rows.
pub(crate) fn groups(offsets: &PyReadonlyArray1<'_, i64>) -> PyResult<Groups> {
    Groups::new(indices(offsets, "offsets")?).map_err(Refusal::exception)
}

/// Indices as an int64 array.
pub(crate) fn index_array<'py>(py: Python<'py>, indices: &[usize]) -> Bound<'py, PyArray1<i64>> {
    let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
    indices.to_pyarray(py)
}
