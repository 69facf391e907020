//! Exact, label-free selection of informative rows.
//!
//! The crate knows matrices and groups of rows, never atoms. A pool of candidate rows goes in, and the indices of the
//! picks come out, in the order in which they were picked. Every greedy method implements the trait [`Selection`]:
//!
//! ```
//! use mlipselect_core::{Bayesian, BayesianScore, Engine, Pool, Posterior, Selection, View};
//!
//! let rows = [1.0, 0.0, 0.0, 2.0, 1.0, 0.1];
//! let pool = Pool::new(View::new(&rows, 3, 2)?);
//! let prior = Posterior::isotropic(2, 1.0, 1.0)?;
//! let mut selection = Bayesian::new(prior, &BayesianScore::Energy, &pool, Engine::Lazy)?;
//! selection.advance(&pool, 2)?;
//! assert_eq!(selection.indices(), [1, 2]);
//! # Ok::<(), mlipselect_core::Error>(())
//! ```

mod bayes;
mod data;
mod distance;
mod error;
mod greedy;
mod kmedoids;
mod linalg;
mod methods;
mod scores;
mod windowed;

pub use bayes::least_squares::LeastSquares;
pub use bayes::posterior::Posterior;
pub use bayes::prior::Prior;
pub use data::beside::Beside;
pub use data::groups::Groups;
pub use data::mean_square::mean_square;
pub use data::owned_rows::{Elements, OwnedRows};
pub use data::rows::{Element, Parts, Pool, Rows, View};
pub use data::scaling::{Moments, Scaled, column_sums, moments_of_sums, standard_scales};
pub use distance::{Distance, Metric, Scale};
pub use error::{Error, Result};
pub use greedy::{Engine, Greedy, Reading, Selection};
pub use kmedoids::{KMedoids, Medoids, Start};
pub use methods::bayesian::Bayesian;
pub use methods::cur::{Leverage, LeverageScores, largest_first, leverage};
pub use methods::facility_location::FacilityLocation;
pub use methods::fps::Fps;
pub use methods::random::{shuffled, shuffled_by_stratum, shuffled_by_weight};
pub use scores::BayesianScore;
pub use windowed::{BoundedRows, Known, News, Sizes, Window, Windowed, Windows};
