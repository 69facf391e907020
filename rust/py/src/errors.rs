//! The errors of the Rust crates as Python exceptions.

use mlipselect_ace as ace;
use mlipselect_core::Error;
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

/// What the core refused, as the exception that a caller can catch by what went wrong.
pub(crate) fn from_core(error: Error) -> PyErr {
    match error {
        Error::NotFinite { what, row } => {
            python::StructureError::new_err((format!("{what} has a feature that is not finite"), row))
        }
        Error::Row { what, row, problem } => python::StructureError::new_err((format!("{what}: {problem}"), row)),
        Error::Memory { .. } => python::MemoryLimitError::new_err(error.to_string()),
        other => invalid(other.to_string()),
    }
}

/// What the descriptor refused; where it was a structure, its index is data of the exception.
pub(crate) fn from_ace(error: ace::Error) -> PyErr {
    match error {
        ace::Error::Structure { index, problem } => python::StructureError::new_err((problem.to_string(), index)),
        other => invalid(other.to_string()),
    }
}

/// What was wrong with the one structure there was.
pub(crate) fn from_structure(problem: &ace::StructureProblem) -> PyErr {
    python::StructureError::new_err(problem.to_string())
}
