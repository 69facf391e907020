//! Exact, label-free selection of informative rows.
//!
//! The crate knows matrices and groups of rows, never atoms. A pool of candidate rows goes in, and the indices of
//! those that teach a Bayesian linear regression most come out, in the order in which they were picked. Every greedy method
//! is driven through the trait [`Selection`]:
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

mod bayesian;
mod conditioned;
mod cur;
mod distance;
mod error;
mod facility;
mod fps;
mod greedy;
mod groups;
mod kmedoids;
mod least_squares;
mod linalg;
mod owned_rows;
mod pages;
mod posterior;
mod posterior_file;
mod prior;
mod random;
mod rows;
mod scaling;
mod scores;
mod scratch;
mod spans;
mod spectrum;
mod splitmix;
mod temporary_file;
mod variance_bounds;

pub use bayesian::Bayesian;
pub use cur::{Leverage, LeverageScores, largest_first, leverage};
pub use distance::{Distance, Metric, Scale};
pub use error::{Error, Result};
pub use facility::FacilityLocation;
pub use fps::Fps;
pub use greedy::{BoundedRows, Engine, Greedy, Known, News, Reading, Selection, Sizes, Window, Windowed, Windows};
pub use groups::Groups;
pub use kmedoids::{KMedoids, Medoids, Start};
pub use least_squares::LeastSquares;
pub use owned_rows::{Elements, OwnedRows};
pub use posterior::Posterior;
pub use prior::{Prior, mean_square};
pub use random::{shuffled, shuffled_by_stratum, shuffled_by_weight};
pub use rows::{Element, Parts, Pool, Rows, View};
pub use scaling::{Scaled, column_sums, scales_of_sums, standard_scales};
pub use scores::BayesianScore;
