//! Bayesian linear regression: prior, posterior, the posterior during a selection, and least squares for fits.

pub(crate) mod least_squares;
pub(crate) mod posterior;
pub(crate) mod posterior_file;
pub(crate) mod prior;
pub(crate) mod running_posterior;
