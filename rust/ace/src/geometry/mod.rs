//! Structures, and which of their atoms are near each other.

mod bins;
mod contacts;
mod digest;
mod neighbours;
mod structure;
mod vector;

pub use contacts::{Contact, closest_contact};
pub use digest::digest;
pub use neighbours::{CellList, Hits, Neighbour, neighbor_list};
pub use structure::Structure;
pub(crate) use vector::VOIGT;
