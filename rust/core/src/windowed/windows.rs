//! Where the windows of a selection come from: what the rows of a pool, wherever they are, are told and answer.

use crate::bayes::posterior::Posterior;
use crate::data::owned_rows::OwnedRows;
use crate::data::rows::Rows;
use crate::error::Result;

/// Everything that the scores of rows follow from.
#[derive(Clone, Debug)]
pub enum Known {
    /// For variances: the posterior.
    Posterior(Posterior),
    /// For distances: the rows from which they are measured.
    Centres(OwnedRows),
}

/// What rows learn of the picks of a window.
#[derive(Clone, Debug)]
pub enum News {
    /// For variances.
    Picks {
        /// Directions `w`, one after the other, such that the picks took `sum (w.x)^2` off the variance of any row `x`;
        /// nothing if not all are known.
        directions: Option<Vec<f64>>,
        /// The posterior after the picks.
        posterior: Posterior,
    },
    /// For distances: the rows of the picks.
    Centres(OwnedRows),
}

/// The candidates that may have the largest scores, and how large that of any other may be.
#[derive(Clone, Debug)]
pub struct Window {
    /// Their indices, ascending.
    pub members: Vec<usize>,
    /// Their rows.
    pub rows: OwnedRows,
    /// For each a number that its score is not above.
    pub bounds: Vec<f64>,
    /// A number that no score outside is above: minus infinity if no candidate is left outside.
    pub outside: f64,
}

/// The rows of a pool, each with an upper bound of its score, here or elsewhere.
///
/// Bounds of variances are variances `x^T Sigma x`; bounds of distances are lengths between points of the metric.
pub trait Windows: Send + Sync {
    /// Begin anew: forget all bounds, and find them given what is known.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) if bounds do not follow from what is known; rows elsewhere may fail otherwise.
    fn survey(&mut self, known: &Known) -> Result<()>;

    /// Go through the next rows of the survey, and say whether there are more. Rows elsewhere may do so when they are
    /// asked for a window.
    ///
    /// # Errors
    /// [`NotFinite`](crate::Error::NotFinite) or [`Row`](crate::Error::Row) with the first row that has no score,
    /// [`File`](crate::Error::File) if there is no room for a temporary file.
    fn go_on(&mut self, rows: &dyn Rows) -> Result<bool>;

    /// Learn of picks.
    ///
    /// # Errors
    /// As [`Windows::survey`].
    fn observe(&mut self, news: &News) -> Result<()>;

    /// Leave candidates out of all windows that follow.
    fn exclude(&mut self, candidates: &[usize]);

    /// A window of at most `size` candidates. Those that bounds leave in doubt are read again if it is to be `sharp`.
    ///
    /// # Errors
    /// As [`Windows::go_on`].
    fn window(&mut self, rows: &dyn Rows, size: usize, sharp: bool) -> Result<Window>;

    /// Rows that were read after the survey, or came back from the file of rounded rows.
    fn rows_read(&self) -> usize {
        0
    }
}
