//! Python bindings of mlipselect: converts, releases the GIL and calls.
use pyo3::prelude::*;

/// The compiled part of mlipselect.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
