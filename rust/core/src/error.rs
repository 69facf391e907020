//! The one error type of the crate.

use std::borrow::Cow;
use std::path::PathBuf;

/// What a function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong, with what was expected and what was given.
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
    /// A row that cannot be worked with, for another reason.
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
    /// More directions asked for than the features have.
    #[error("rank is {asked}, but the features have rank {available} only: lower it")]
    Rank {
        /// Rank asked for.
        asked: usize,
        /// Numerical rank of the features.
        available: usize,
    },
    /// A prior that does not determine every weight.
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
    /// Arrays whose lengths do not fit each other.
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
        /// What can be done about it.
        advice: &'static str,
    },
    /// Too many candidates that are nearly as good as the best one to look at them together.
    #[error("more than {rows} rows have scores that are nearly the best: raise max_memory")]
    Ties {
        /// Rows for which there is memory.
        rows: usize,
    },
    /// Rows that are elsewhere, such as on another machine, could not be asked.
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
    /// The same for a whole pool, of which the rows at fault began with row `first`.
    pub(crate) fn in_pool_from(self, first: usize) -> Self {
        match self {
            Self::NotFinite { row, .. } => Self::NotFinite { what: "the pool", row: first + row },
            Self::Row { row, problem, .. } => Self::Row { what: "the pool", row: first + row, problem },
            other => other,
        }
    }
}
