//! The basis at one atom per lane: its values, and a linear model of them with its derivatives by the neighbours.

mod adjoint;
mod channels;
mod linear_model;
mod tables;
mod values;

pub(crate) use adjoint::{ModelReverse, Reverse};
pub(crate) use channels::LaneWeights;
pub(crate) use linear_model::LinearModel;
pub(crate) use tables::{Combinations, SelfParts, Tables, by_parity};
pub(crate) use values::{Evaluator, Neighbourhoods, Slot, Workspace, couple, multiply, remove_self_part};
