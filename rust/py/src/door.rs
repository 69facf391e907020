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
    /// One for each processor.
    All,
    /// A number, at least one.
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

/// The variable that says how many threads there are by default, and those of others that count where it is not set.
const VARIABLE: &str = "MLIPSELECT_NUM_THREADS";
const OTHERS: [&str; 2] = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"];

/// How many threads are meant by `n_threads`. -1 stands for all processors that this process may use. By default it is
/// what an environment variable says: `MLIPSELECT_NUM_THREADS`, `RAYON_NUM_THREADS` or `OMP_NUM_THREADS`, else all.
#[pyfunction]
#[pyo3(signature = (n_threads=None))]
pub(crate) fn thread_count(n_threads: Option<Threads>) -> PyResult<usize> {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    match (n_threads, std::env::var(VARIABLE)) {
        (Some(Threads::Count(n)), _) => Ok(n),
        (Some(Threads::All), _) => Ok(all()),
        (None, Ok(text)) => positive(&text)
            .ok_or_else(|| invalid(format!("{VARIABLE}: expected a positive number of threads, got {text:?}"))),
        (None, Err(_)) => {
            Ok(OTHERS.into_iter().find_map(|name| positive(&std::env::var(name).ok()?)).unwrap_or_else(all))
        }
    }
}

/// A positive number. `OMP_NUM_THREADS` may be a list for nested levels, of which the first counts.
fn positive(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&n| n > 0)
}

/// The threads of one process, by their number.
struct Pools {
    process: u32,
    by_size: HashMap<usize, Arc<ThreadPool>>,
}

static POOLS: LazyLock<Mutex<Pools>> =
    LazyLock::new(|| Mutex::new(Pools { process: std::process::id(), by_size: HashMap::new() }));

/// Run `work`, which may fail, without the GIL, on as many threads as [`thread_count`] says.
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
    let pool = thread_pool(thread_count(n_threads)?)?;
    Ok(py.detach(|| pool.install(work)))
}

fn thread_pool(n_threads: usize) -> PyResult<Arc<ThreadPool>> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if pools.process != process {
        // This process was forked, and has none of the threads of the one that made the pools.
        let theirs = std::mem::replace(&mut *pools, Pools { process, by_size: HashMap::new() });
        std::mem::forget(theirs);
    }
    if let Some(pool) = pools.by_size.get(&n_threads) {
        return Ok(pool.clone());
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .map_err(|e| invalid(format!("{n_threads} threads could not be started: {e}")))?;
    let pool = Arc::new(pool);
    pools.by_size.insert(n_threads, pool.clone());
    Ok(pool)
}
