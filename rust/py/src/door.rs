//! The one door between Python and the crates. It runs every long call without the GIL, on the number of threads asked
//! for, and converts errors of the crates to Python exceptions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::{Refusal, invalid};

/// A number of threads that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Threads {
    /// One a processor.
    All,
    /// So many, at least one.
    Count(usize),
}

impl<'py> FromPyObject<'_, 'py> for Threads {
    type Error = PyErr;

    /// As in joblib, -1 stands for all processors.
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.extract::<i64>() {
            Ok(-1) => Ok(Self::All),
            Ok(n @ 1..) => usize::try_from(n).map(Self::Count).map_err(|_| refusal(&given)),
            _ => Err(refusal(&given)),
        }
    }
}

fn refusal(given: &Bound<'_, PyAny>) -> PyErr {
    invalid(format!("n_threads: expected a number of threads, or -1 for all cores, got {given}"))
}

/// How many threads are meant by `n_threads`, all processors by default.
#[pyfunction]
#[pyo3(signature = (n_threads=None))]
pub(crate) fn thread_count(n_threads: Option<Threads>) -> usize {
    match n_threads {
        Some(Threads::Count(n)) => n,
        Some(Threads::All) | None => rayon::current_num_threads(),
    }
}

static POOLS: LazyLock<Mutex<HashMap<usize, Arc<ThreadPool>>>> = LazyLock::new(Mutex::default);

/// Run `work`, which may fail, without the GIL, on `n_threads` threads or, by default, on all processors.
pub(crate) fn enter<T: Send, E: Refusal + Send>(
    py: Python<'_>,
    n_threads: Option<Threads>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> PyResult<T> {
    enter_ok(py, n_threads, work)?.map_err(Refusal::exception)
}

/// As [`enter`], for work that cannot fail.
pub(crate) fn enter_ok<T: Send>(
    py: Python<'_>,
    n_threads: Option<Threads>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let Some(Threads::Count(n_threads)) = n_threads else {
        return Ok(py.detach(work));
    };
    let pool = thread_pool(n_threads)?;
    Ok(py.detach(|| pool.install(work)))
}

fn thread_pool(n_threads: usize) -> PyResult<Arc<ThreadPool>> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&n_threads) {
        return Ok(pool.clone());
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .map_err(|e| invalid(format!("{n_threads} threads could not be started: {e}")))?;
    let pool = Arc::new(pool);
    pools.insert(n_threads, pool.clone());
    Ok(pool)
}
