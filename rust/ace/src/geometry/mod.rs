//! Structures, and which of their atoms are near each other.

mod bins;
mod neighbours;
mod structure;
mod vector;

pub use neighbours::{CellList, Hits, Neighbour, neighbor_list};
pub use structure::Structure;
pub(crate) use vector::VOIGT;
