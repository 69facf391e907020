//! Linear atomic cluster expansion (ACE) descriptor: one row of features per atom, and means over structures.
//!
//! The features are the linear ACE basis of arXiv:2502.21165 at correlation order 1 to 3: pair functions and coupled
//! products of one-particle sums, invariant under rotations, reflections and permutations of like atoms.
//!
//! ```
//! use mlipselect_ace::{AceBasis, Parameters, Structure};
//!
//! let basis = AceBasis::new(&Parameters {
//!     elements: vec![14],
//!     order: 3,
//!     totaldegree: vec![12.0, 12.0, 12.0],
//!     rcut: 5.0,
//!     r0: vec![2.4],
//! })?;
//! let dimer = Structure {
//!     positions: &[[0.0, 0.0, 0.0], [0.0, 0.0, 2.3]],
//!     atomic_numbers: &[14, 14],
//!     cell: [[0.0; 3]; 3],
//!     pbc: [false; 3],
//! };
//! let rows = basis.site_features(&[dimer])?;
//! assert_eq!(rows.len(), 2 * 211);
//! # Ok::<(), mlipselect_ace::Error>(())
//! ```

mod arithmetic;
mod basis;
mod derivatives;
mod descriptor;
mod design;
mod error;
mod evaluate;
mod forward;
mod geometry;
mod predict;
mod sites;
mod smoothness;

pub use basis::{ChannelWeights, Degrees, MAX_FEATURES, MAX_TOTALDEGREE, Parameters};
pub use descriptor::AceBasis;
pub use error::{Error, StructureProblem};
pub use forward::Forward;
pub use geometry::{CellList, Contact, Hits, Neighbour, Structure, closest_contact, digest, neighbor_list};
pub use predict::Predictions;
pub use sites::MIN_DISTANCE;
