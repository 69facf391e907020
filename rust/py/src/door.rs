//! The one door between Python and the crates. It runs every long call without the GIL, on the number of threads asked
//! for, and converts errors of the crates to Python exceptions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::errors::{Refusal, invalid};

static POOLS: LazyLock<Mutex<HashMap<usize, Arc<ThreadPool>>>> = LazyLock::new(Mutex::default);

/// Run `work`, which may fail, without the GIL, on `n_threads` threads or, by default, on all processors.
pub(crate) fn enter<T: Send, E: Refusal + Send>(
    py: Python<'_>,
    n_threads: Option<usize>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> PyResult<T> {
    enter_ok(py, n_threads, work)?.map_err(Refusal::exception)
}

/// As [`enter`], for work that cannot fail.
pub(crate) fn enter_ok<T: Send>(
    py: Python<'_>,
    n_threads: Option<usize>,
    work: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    let Some(n_threads) = n_threads else {
        return Ok(py.detach(work));
    };
    let pool = thread_pool(n_threads)?;
    Ok(py.detach(|| pool.install(work)))
}

fn thread_pool(n_threads: usize) -> PyResult<Arc<ThreadPool>> {
    if n_threads == 0 {
        return Err(invalid("n_threads must be at least 1, given 0"));
    }
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
