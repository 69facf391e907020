//! Selections from rows outside memory, with windows from a store or from a Python object.

use mlipselect_core as mcore;
use mlipselect_core::{Elements, Known, Metric, News, OwnedRows, Pool, Rows, Sizes, Window, Windowed, Windows};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::arrays::{Candidates, Matrix, index_array, indices};
use crate::choices::{self, metric};
use crate::door::{Threads, enter};
use crate::errors::invalid;
use crate::posterior::Posterior;
use crate::selection::Selection;

/// Numbers of rows: of a block, of the first window and of the largest window.
type Shape = (usize, usize, usize);

fn sizes((block, window, largest): Shape) -> Sizes {
    Sizes { block, window, largest, bytes: 0 }
}

/// Sizes of a selection from rows on disk, for bounds of "variances" or "distances": rows of a block, of the first
/// window and of the largest window, and the bytes in all.
#[pyfunction]
pub(crate) fn window_sizes(
    py: Python<'_>,
    kind: &str,
    pool: &Bound<'_, PyAny>,
    max_memory: usize,
) -> PyResult<(usize, usize, usize, usize)> {
    let of = match kind {
        "variances" => Sizes::of_variances,
        "distances" => Sizes::of_distances,
        other => return Err(unknown(other)),
    };
    let pool = Matrix::extract(pool, "the pool")?;
    let pool = pool.rows("the pool")?;
    let sizes = enter(py, None, || of(&pool, max_memory))?;
    Ok((sizes.block, sizes.window, sizes.largest, sizes.bytes))
}

fn unknown(kind: &str) -> PyErr {
    invalid(format!("bounds must be of 'variances' or 'distances', given '{kind}'"))
}

/// Bayesian selection with the score "energy" or "logdet", given the posterior before the first pick.
#[pyfunction]
#[pyo3(signature = (posterior, score, pool, sizes, *, elsewhere=None, n_threads=None))]
pub(crate) fn windowed_bayesian(
    py: Python<'_>,
    posterior: &Posterior,
    score: &str,
    pool: Py<PyAny>,
    sizes: Shape,
    elsewhere: Option<Py<PyAny>>,
    n_threads: Option<Threads>,
) -> PyResult<Selection> {
    let (posterior, score, sizes) = (posterior.inner.clone(), choices::score(score, 0)?, self::sizes(sizes));
    let candidates = Candidates { pool, observed: None, core: None };
    Selection::begin(py, candidates, n_threads, |pool| {
        let here = || Box::new(mcore::BoundedRows::variances(pool.structures(), sizes.block)) as Box<dyn Windows>;
        Windowed::bayesian_with(pool, posterior, score, elsewhere.map_or_else(here, Elsewhere::windows), sizes)
    })
}

/// Farthest point sampling; columns are multiplied by the factors, if given.
#[pyfunction]
#[pyo3(signature = (pool, core, sizes, *, metric="euclidean", factors=None, initialize=None, elsewhere=None, n_threads=None))]
#[expect(clippy::too_many_arguments, reason = "one for each parameter of the Python selector")]
pub(crate) fn windowed_fps(
    py: Python<'_>,
    pool: Py<PyAny>,
    core: Option<Py<PyAny>>,
    sizes: Shape,
    metric: &str,
    factors: Option<PyReadonlyArray1<'_, f64>>,
    initialize: Option<usize>,
    elsewhere: Option<Py<PyAny>>,
    n_threads: Option<Threads>,
) -> PyResult<Selection> {
    let (metric, sizes) = (self::metric(metric)?, self::sizes(sizes));
    let factors = factors.map(|factors| factors.as_array().to_vec());
    let candidates = Candidates { pool, observed: None, core };
    Selection::begin(py, candidates, n_threads, |pool| {
        let here = || -> Box<dyn Windows> {
            Box::new(mcore::BoundedRows::distances(pool.structures(), sizes.block, metric, factors.clone()))
        };
        let windows = elsewhere.map_or_else(here, Elsewhere::windows);
        Windowed::fps_with(pool, metric, factors.clone(), initialize, windows, sizes)
    })
}

/// The rows of a worker, with bounds of their variances or distances; see `mlipselect_core::Windows`.
#[pyclass(module = "mlipselect._core")]
pub(crate) struct BoundedRows {
    inner: mcore::BoundedRows,
    candidates: Candidates,
    n_threads: Option<Threads>,
}

impl BoundedRows {
    fn step<T: Send>(
        &mut self,
        py: Python<'_>,
        step: impl FnOnce(&mut mcore::BoundedRows, &dyn Rows) -> mcore::Result<T> + Send,
    ) -> PyResult<T> {
        let (inner, n_threads) = (&mut self.inner, self.n_threads);
        self.candidates.with_pool(py, |pool| enter(py, n_threads, || step(inner, pool.structures())))
    }
}

#[pymethods]
impl BoundedRows {
    /// Rows that are read in blocks of `block`; `metric` and `factors` apply to distances.
    #[new]
    #[pyo3(signature = (kind, pool, block, *, metric="euclidean", factors=None, n_threads=None))]
    fn new(
        py: Python<'_>,
        kind: &str,
        pool: Py<PyAny>,
        block: usize,
        metric: &str,
        factors: Option<PyReadonlyArray1<'_, f64>>,
        n_threads: Option<Threads>,
    ) -> PyResult<Self> {
        let metric: Metric = self::metric(metric)?;
        let factors = factors.map(|factors| factors.as_array().to_vec());
        let candidates = Candidates { pool, observed: None, core: None };
        let inner = candidates.with_pool(py, |pool: &Pool<'_>| match kind {
            "variances" => Ok(mcore::BoundedRows::variances(pool.structures(), block)),
            "distances" => Ok(mcore::BoundedRows::distances(pool.structures(), block, metric, factors)),
            other => Err(unknown(other)),
        })?;
        Ok(Self { inner, candidates, n_threads })
    }

    /// Find the bounds of all rows, given a posterior or the rows of centres.
    fn survey(&mut self, py: Python<'_>, known: &Bound<'_, PyAny>) -> PyResult<()> {
        let known = read_known(known)?;
        self.step(py, |bounded, _| bounded.survey(&known))?;
        while self.step(py, |bounded, rows| bounded.go_on(rows))? {
            py.check_signals()?;
        }
        Ok(())
    }

    /// Record picks: their directions, or None, with the posterior after them; or, for distances, their rows.
    fn observe(&mut self, py: Python<'_>, news: &Bound<'_, PyAny>) -> PyResult<()> {
        let news = read_news(news)?;
        self.step(py, |bounded, _| bounded.observe(&news))
    }

    /// Leave these candidates out of all later windows.
    fn exclude(&mut self, py: Python<'_>, candidates: PyReadonlyArray1<'_, i64>) -> PyResult<()> {
        let candidates = indices(&candidates, "candidates")?;
        self.step(py, |bounded, _| {
            bounded.exclude(&candidates);
            Ok(())
        })
    }

    /// The rows with the largest bounds (indices, ascending; rows; bounds) and the largest bound outside.
    #[pyo3(signature = (size, *, sharp=false))]
    fn window<'py>(&mut self, py: Python<'py>, size: usize, sharp: bool) -> PyResult<Found<'py>> {
        let window = self.step(py, |bounded, rows| bounded.window(rows, size, sharp))?;
        let members = index_array(py, &window.members);
        Ok((members, matrix(py, window.rows)?, window.bounds.to_pyarray(py), window.outside))
    }
}

/// A window: indices, rows and bounds of its members, and the largest bound outside.
type Found<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyAny>, Bound<'py, PyArray1<f64>>, f64);

/// Windows from a Python object with the methods of [`BoundedRows`].
struct Elsewhere {
    rows: Py<PyAny>,
    /// Excluded candidates that the object has not been told yet.
    excluded: Vec<usize>,
}

impl Elsewhere {
    fn windows(rows: Py<PyAny>) -> Box<dyn Windows> {
        Box::new(Self { rows, excluded: Vec::new() })
    }

    /// Call Python; an exception leaves the selection unchanged in class and message.
    fn ask<T>(&self, question: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> mcore::Result<T> {
        Python::attach(|py| question(self.rows.bind(py))).map_err(|error| mcore::Error::Elsewhere(Box::new(error)))
    }
}

impl Windows for Elsewhere {
    fn survey(&mut self, known: &Known) -> mcore::Result<()> {
        self.ask(|rows| {
            let known = match known {
                Known::Posterior(posterior) => posterior_object(rows.py(), posterior)?,
                Known::Centres(centres) => matrix(rows.py(), centres.clone())?,
            };
            rows.call_method1("survey", (known,)).map(drop)
        })
    }

    fn go_on(&mut self, _rows: &dyn Rows) -> mcore::Result<bool> {
        Ok(false)
    }

    fn observe(&mut self, news: &News) -> mcore::Result<()> {
        self.ask(|rows| {
            let py = rows.py();
            let news = match news {
                News::Centres(centres) => matrix(py, centres.clone())?,
                News::Picks { directions, posterior } => {
                    let directions = directions.as_ref().map(|directions| {
                        let dim = posterior.dim();
                        directions.to_pyarray(py).reshape([directions.len() / dim, dim])
                    });
                    (directions.transpose()?, posterior_object(py, posterior)?).into_pyobject(py)?.into_any()
                }
            };
            rows.call_method1("observe", (news,)).map(drop)
        })
    }

    fn exclude(&mut self, candidates: &[usize]) {
        self.excluded.extend_from_slice(candidates);
    }

    fn window(&mut self, _rows: &dyn Rows, size: usize, sharp: bool) -> mcore::Result<Window> {
        let excluded = std::mem::take(&mut self.excluded);
        self.ask(|rows| {
            let py = rows.py();
            rows.call_method1("exclude", (index_array(py, &excluded),))?;
            let how = PyDict::new(py);
            how.set_item("sharp", sharp)?;
            let found = rows.call_method("window", (size,), Some(&how))?;
            let (members, rows, bounds, outside): (
                PyReadonlyArray1<'_, i64>,
                Bound<'_, PyAny>,
                PyReadonlyArray1<'_, f64>,
                f64,
            ) = found.extract()?;
            let members = indices(&members, "the members of a window")?;
            Ok(Window { members, rows: owned(&rows)?, bounds: bounds.as_array().to_vec(), outside })
        })
    }
}

fn read_known(value: &Bound<'_, PyAny>) -> PyResult<Known> {
    match value.extract::<PyRef<'_, Posterior>>() {
        Ok(posterior) => Ok(Known::Posterior(posterior.inner.clone())),
        Err(_) => Ok(Known::Centres(owned(value)?)),
    }
}

fn read_news(value: &Bound<'_, PyAny>) -> PyResult<News> {
    if !value.is_instance_of::<PyTuple>() {
        return Ok(News::Centres(owned(value)?));
    }
    let (directions, posterior): (Option<PyReadonlyArray2<'_, f64>>, PyRef<'_, Posterior>) = value.extract()?;
    let directions = directions.map(|directions| directions.as_array().iter().copied().collect());
    Ok(News::Picks { directions, posterior: posterior.inner.clone() })
}

fn posterior_object<'py>(py: Python<'py>, posterior: &mcore::Posterior) -> PyResult<Bound<'py, PyAny>> {
    Ok(Bound::new(py, Posterior { inner: posterior.clone() })?.into_any())
}

/// Copies of the rows of an array.
fn owned(array: &Bound<'_, PyAny>) -> PyResult<OwnedRows> {
    let matrix = Matrix::extract(array, "the rows")?;
    let rows = matrix.rows("the rows")?;
    Ok(OwnedRows::copied(&rows, &(0..rows.len()).collect::<Vec<usize>>()))
}

/// Rows as an array of their element type.
fn matrix<'py>(py: Python<'py>, rows: OwnedRows) -> PyResult<Bound<'py, PyAny>> {
    let shape = [rows.len(), rows.dim()];
    Ok(match rows.into_elements() {
        Elements::F32(elements) => {
            (PyArray1::from_vec(py, elements).reshape(shape)? as Bound<'_, PyArray2<f32>>).into_any()
        }
        Elements::F64(elements) => {
            (PyArray1::from_vec(py, elements).reshape(shape)? as Bound<'_, PyArray2<f64>>).into_any()
        }
    })
}
