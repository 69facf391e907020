//! What the basis is: its labels, its radial and angular functions, and how products of them are coupled.

mod functions;
mod harmonics;
mod labels;
mod radial;
mod recursion;
mod self_part;
mod threej;
mod transform;

pub use functions::Parameters;
pub(crate) use functions::{Basis, Function};
pub(crate) use harmonics::{Harmonics, n_harmonics};
pub(crate) use labels::Label;
pub use labels::{Degrees, MAX_FEATURES, MAX_TOTALDEGREE};
pub(crate) use threej::{Coupling, sign, three_j};
