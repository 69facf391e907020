//! Python bindings of mlipselect: converts, releases the GIL and calls.
use pyo3::prelude::*;

mod ace;

/// The compiled part of mlipselect.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::ace::{AceBasis, ace_length, neighbor_list};

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
