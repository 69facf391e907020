//! The derivatives of all functions by the positions of atoms: rows of forces and virials.

mod contraction;
mod force_rows;
mod gradients;
mod jacobian;
mod one_particle;

pub(crate) use contraction::{Plan, Term};
pub(crate) use force_rows::{Batch, ForceRows, Memory, target};
pub(crate) use jacobian::{CHUNK, Couplings, Jacobian};
