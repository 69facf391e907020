//! The one error type of the crate.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::data::rows::Rows;

/// The result of a function of this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The errors of the crate. Messages say what was expected and what was given.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A pool without candidates.
    #[error("the pool is empty: expected at least one candidate")]
    EmptyPool,
    /// Two matrices that should have the same number of columns.
    #[error("{what} has {given} features per row, expected {expected}")]
    Dimension {
        /// The matrix at fault.
        what: &'static str,
        /// Columns it should have.
        expected: usize,
        /// Columns it has.
        given: usize,
    },
    /// A NaN or an infinity among the features.
    #[error("row {row} of {what} has a feature that is not finite")]
    NotFinite {
        /// The matrix at fault.
        what: &'static str,
        /// The first such row.
        row: usize,
    },
    /// Finite features whose squares or products are not finite.
    #[error("row {row} of {what} has features so large that their squares exceed float64: scale the features down")]
    TooLarge {
        /// The matrix at fault.
        what: &'static str,
        /// The first such row.
        row: usize,
    },
    /// A row that cannot be used, for a reason that the error gives.
    #[error("row {row} of {what}: {problem}")]
    Row {
        /// The matrix at fault.
        what: &'static str,
        /// The first such row.
        row: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More picks than candidates.
    #[error("cannot pick {asked} more structures: the pool has {available} left to pick from")]
    TooMany {
        /// Picks asked for.
        asked: usize,
        /// Candidates not yet picked.
        available: usize,
    },
    /// A rank above the numerical rank of the features.
    #[error("rank is {asked}, but the features have rank {available} only: lower it")]
    Rank {
        /// Rank asked for.
        asked: usize,
        /// Numerical rank of the features.
        available: usize,
    },
    /// A prior precision that is not finite, symmetric and positive definite.
    #[error("singular prior: {0}")]
    SingularPrior(String),
    /// A parameter out of its range.
    #[error("{name} must be {expected}, given {given}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its range in words.
        expected: &'static str,
        /// What was given.
        given: String,
    },
    /// Arrays whose lengths do not match, or an index that is out of range.
    #[error("{0}")]
    Shape(String),
    /// More memory needed than allowed.
    #[error("{what} needs {needed} bytes, more than the {allowed} allowed: {advice}")]
    Memory {
        /// What the memory is for.
        what: Cow<'static, str>,
        /// Bytes needed.
        needed: usize,
        /// Bytes allowed.
        allowed: usize,
        /// Advice to the user.
        advice: &'static str,
    },
    /// More candidates that nearly tie with the best one than fit into memory.
    #[error("more than {rows} rows have scores that are nearly the best: raise max_memory")]
    Ties {
        /// Rows for which there is memory.
        rows: usize,
    },
    /// A failure of rows that are held elsewhere, such as on another machine.
    #[error("{0}")]
    Elsewhere(Box<dyn std::error::Error + Send + Sync>),
    /// A file that cannot be read or written.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// The error for a row of which a product is not finite: because a feature is not, or because features are too large.
    pub(crate) fn of_features(what: &'static str, row: usize, features: &[f64]) -> Self {
        if features.iter().all(|x| x.is_finite()) {
            Self::TooLarge { what, row }
        } else {
            Self::NotFinite { what, row }
        }
    }

    /// The error for row `row` of a matrix, of which a product is not finite.
    pub(crate) fn of_row(what: &'static str, row: usize, rows: &dyn Rows) -> Self {
        let mut features = vec![0.0; rows.dim()];
        rows.read(row, &mut features);
        Self::of_features(what, row, &features)
    }

    /// Convert an error about a row into one about the pool, of which `place` is the row or group.
    pub(crate) fn in_pool(self, place: impl Fn(usize) -> usize) -> Self {
        let what = "the pool";
        match self {
            Self::NotFinite { row, .. } => Self::NotFinite { what, row: place(row) },
            Self::TooLarge { row, .. } => Self::TooLarge { what, row: place(row) },
            Self::Row { row, problem, .. } => Self::Row { what, row: place(row), problem },
            other => other,
        }
    }

    /// Convert an error about a block of rows into one about the pool, whose row `first` begins the block.
    pub(crate) fn in_pool_from(self, first: usize) -> Self {
        self.in_pool(|row| first + row)
    }
}
