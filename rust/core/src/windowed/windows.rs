//! The source of the windows of a selection: the messages between the selection and the rows of its pool.

use crate::bayes::posterior::Posterior;
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::Rows;
use crate::error::Result;

/// The state that determines the scores of rows.
#[derive(Clone, Debug)]
pub enum Known {
    /// For variances: the posterior.
    Posterior(Posterior),
    /// For distances: the rows from which they are measured.
    Centres(OwnedRows),
}

/// The picks of a window, as a message to the rows.
#[derive(Clone, Debug)]
pub enum News {
    /// For variances.
    Picks {
        /// Directions `w`, one after the other, such that the picks lowered the variance of any row `x` by
        /// `sum (w.x)^2`; `None` if not all are known.
        directions: Option<Vec<f64>>,
        /// The posterior after the picks.
        posterior: Posterior,
    },
    /// For distances: the rows of the picks.
    Centres(OwnedRows),
}

/// The candidates with the largest bounds, and an upper bound of the scores of all others.
#[derive(Clone, Debug)]
pub struct Window {
    /// Their indices, ascending.
    pub members: Vec<usize>,
    /// Their rows.
    pub rows: OwnedRows,
    /// An upper bound of the score of each.
    pub bounds: Vec<f64>,
    /// An upper bound of the scores outside: minus infinity if no candidate is left outside.
    pub outside: f64,
}

/// The rows of a pool, each with an upper bound of its score, on this machine or on others.
///
/// Bounds of variances are variances `x^T Sigma x`; bounds of distances are lengths between points of the metric.
pub trait Windows: Send + Sync {
    /// Begin a survey: discard all bounds and find them again.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) if `known` is of the wrong kind; rows on other machines may fail otherwise.
    fn survey(&mut self, known: &Known) -> Result<()>;

    /// Survey the next rows. Returns whether more are left. Rows on other machines may be surveyed only for the next
    /// window.
    ///
    /// # Errors
    /// [`NotFinite`](crate::Error::NotFinite) or [`Row`](crate::Error::Row) with the first row that has no score,
    /// [`File`](crate::Error::File) if there is no room for a temporary file.
    fn go_on(&mut self, rows: &dyn Rows) -> Result<bool>;

    /// Record picks, which lower the bounds.
    ///
    /// # Errors
    /// As [`Windows::survey`].
    fn observe(&mut self, news: &News) -> Result<()>;

    /// Leave candidates out of all later windows.
    fn exclude(&mut self, candidates: &[usize]);

    /// A window of at most `size` candidates. With `sharp`, rows are read again if rounded rows leave bounds too high.
    ///
    /// # Errors
    /// As [`Windows::go_on`].
    fn window(&mut self, rows: &dyn Rows, size: usize, sharp: bool) -> Result<Window>;

    /// Number of rows read after the survey, from the pool or from the file of rounded rows.
    fn rows_read(&self) -> usize {
        0
    }
}
