//! `x^T Sigma M Sigma x / (1/beta + x^T Sigma x)`: decrease of the mean variance of the target.
//!
//! `M` is the mean of `t t^T` over the target rows `t` (V- or I-optimal design). The score may rise between picks, so an
//! earlier score is no bound. Small pools, and picks that observe several rows, are updated [row by row](every_row) after
//! each pick. Large pools are [picked from ahead](look_ahead): several picks are found among the few best candidates, and
//! then one pass over [rounded rows](rounded_pool) shows that no other candidate was better at any of them.

mod direction;
mod every_row;
mod exact;
mod look_ahead;
mod numbers;
mod pass;
mod rounded_pool;
mod rounded_target;
mod target;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use every_row::EveryRow;
pub(crate) use look_ahead::LookAhead;
