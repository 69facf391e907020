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

use pyo3::prelude::*;

/// The compiled part of mlipselect.
#[pymodule]
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
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
