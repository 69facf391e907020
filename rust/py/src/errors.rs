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

/// A bad value, in the words of `problem`.
pub(crate) fn invalid(problem: impl Into<String>) -> PyErr {
    python::InvalidInputError::new_err(problem.into())
}

/// An error of a crate, as the exception that a caller can catch by what went wrong.
pub(crate) trait Refusal {
    fn exception(self) -> PyErr;
}

impl Refusal for core::Error {
    fn exception(self) -> PyErr {
        match self {
            Self::NotFinite { what, row } => {
                python::StructureError::new_err((format!("{what} has a feature that is not finite"), row))
            }
            Self::Row { what, row, problem } => python::StructureError::new_err((format!("{what}: {problem}"), row)),
            Self::Memory { .. } | Self::Ties { .. } => python::MemoryLimitError::new_err(self.to_string()),
            // What Python raised where it was asked goes on as it is.
            Self::Elsewhere(error) => match error.downcast::<PyErr>() {
                Ok(error) => *error,
                Err(error) => invalid(error.to_string()),
            },
            other => invalid(other.to_string()),
        }
    }
}

/// The same exception, with a structure named instead of counted where the rows say which one it was, as those on disk do.
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

/// Where a structure was refused, its index is data of the exception.
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

/// What was wrong with the one structure there was.
pub(crate) fn from_structure(problem: &ace::StructureProblem) -> PyErr {
    python::StructureError::new_err(problem.to_string())
}
