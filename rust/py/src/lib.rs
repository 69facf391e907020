//! Python bindings of mlipselect: they convert arguments, release the GIL and call the crates.

mod ace;
mod arrays;
mod batch;
mod choices;
mod cur;
mod door;
mod errors;
mod extxyz;
mod inspect;
mod kmedoids;
mod least_squares;
mod posterior;
mod random;
mod scaling;
mod selection;
mod windowed;

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// The compiled part of mlipselect.
#[pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use super::ace::{AceBasis, AceForward, ace_length, neighbor_list};
    #[pymodule_export]
    use super::cur::{largest_first, leverage};
    #[pymodule_export]
    use super::door::thread_count;
    #[pymodule_export]
    use super::extxyz::{frame_index, parse_frames, parse_info, scan_frames};
    #[pymodule_export]
    use super::inspect::inspect;
    #[pymodule_export]
    use super::kmedoids::MedoidSwaps;
    #[pymodule_export]
    use super::least_squares::LeastSquares;
    #[pymodule_export]
    use super::posterior::{Posterior, mean_square};
    #[pymodule_export]
    use super::random::{shuffled, shuffled_by_stratum, shuffled_by_weight};
    #[pymodule_export]
    use super::scaling::{column_sums, moments_of_sums, standard_scales};
    #[pymodule_export]
    use super::selection::{Selection, facility_location_bytes, pool_score_bytes};
    #[pymodule_export]
    use super::windowed::{BoundedRows, window_sizes, windowed_bayesian, windowed_fps};
    use super::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        refuse_subinterpreters()?;
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Refuse to be imported by an interpreter beside the main one, in which calls without the GIL would never return.
fn refuse_subinterpreters() -> PyResult<()> {
    // SAFETY: a module is made by a thread that is attached to an interpreter, which therefore lives.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if number == 0 {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "mlipselect works in the main interpreter of a process only, not in a subinterpreter: start a process instead",
    ))
}
