//! The errors of the Rust crates as Python exceptions.

use std::io;

use mlipselect_ace as ace;
use mlipselect_core as core;
use pyo3::prelude::*;

mod python {
    pyo3::import_exception!(mlipselect.exceptions, InvalidInputError);
    pyo3::import_exception!(mlipselect.exceptions, MemoryLimitError);
    pyo3::import_exception!(mlipselect.exceptions, StructureError);
}

/// The exception for a bad value, with the message `problem`.
pub(crate) fn invalid(problem: impl Into<String>) -> PyErr {
    python::InvalidInputError::new_err(problem.into())
}

/// An error of a crate, converted to a Python exception of the matching class.
pub(crate) trait Refusal {
    fn exception(self) -> PyErr;
}

impl Refusal for core::Error {
    fn exception(self) -> PyErr {
        match self {
            Self::NotFinite { what, row } => {
                python::StructureError::new_err((format!("{what} has a feature that is not finite"), row))
            }
            Self::TooLarge { what, row } => python::StructureError::new_err((
                format!("{what} has features so large that their squares exceed float64: scale the features down"),
                row,
            )),
            Self::Row { what, row, problem } => python::StructureError::new_err((format!("{what}: {problem}"), row)),
            Self::Memory { .. } | Self::Ties { .. } => python::MemoryLimitError::new_err(self.to_string()),
            // An exception that Python code raised is passed on unchanged.
            Self::Elsewhere(error) => match error.downcast::<PyErr>() {
                Ok(error) => *error,
                Err(error) => invalid(error.to_string()),
            },
            other => invalid(other.to_string()),
        }
    }
}

/// The same exception, with file and frame in place of an index if `rows` has a method `where`, as stores do.
pub(crate) fn named(rows: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = rows.py();
    let name = || -> PyResult<PyErr> {
        let value = error.value(py);
        let index: usize = value.getattr("index")?.extract()?;
        let place: String = rows.call_method1("where", (index,))?.extract()?;
        let named = python::StructureError::new_err(format!("{place}: {}", value.getattr("problem")?));
        named.set_cause(py, Some(error.clone_ref(py)));
        Ok(named)
    };
    match error.is_instance_of::<python::StructureError>(py) && rows.hasattr("where").unwrap_or(false) {
        true => name().unwrap_or(error),
        false => error,
    }
}

/// The exception for a refused structure has its index as an attribute.
impl Refusal for ace::Error {
    fn exception(self) -> PyErr {
        match self {
            Self::Structure { index, problem } => python::StructureError::new_err((problem.to_string(), index)),
            other => invalid(other.to_string()),
        }
    }
}

impl Refusal for io::Error {
    fn exception(self) -> PyErr {
        self.into()
    }
}

/// The exception for the only structure of a call, which needs no index.
pub(crate) fn from_structure(problem: &ace::StructureProblem) -> PyErr {
    python::StructureError::new_err(problem.to_string())
}
