//! The derivatives of all many-body functions by the positions of atoms: rows of forces and virials.
//!
//! By the chain rule the derivative of a function is that by the one-particle sums A ([`Jacobian`]) times that of the
//! sums by the vectors to the neighbours (`one_particle`, `gradients`). `contraction` forms these products for a chunk
//! of atoms, and [`ForceRows`] writes them to the rows.

mod contraction;
mod force_rows;
mod gradients;
mod jacobian;
mod one_particle;

pub(crate) use contraction::{Plan, Sum, Term};
pub(crate) use force_rows::{Batch, ForceRows, Memory, target};
pub(crate) use jacobian::{CHUNK, Couplings, Jacobian};
pub(crate) use one_particle::OneParticle;
