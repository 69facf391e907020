//! The definition of the basis: labels, radial and angular functions, and the couplings of their products.

mod channels;
mod functions;
mod harmonics;
mod labels;
mod radial;
mod recursion;
mod self_part;
mod threej;
mod transform;

pub use channels::ChannelWeights;
pub(crate) use channels::Channels;
pub use functions::Parameters;
pub(crate) use functions::{Basis, Function};
pub(crate) use harmonics::{Harmonics, n_harmonics};
pub(crate) use labels::Label;
pub use labels::{Degrees, MAX_FEATURES, MAX_TOTALDEGREE};
pub(crate) use radial::Distances;
pub(crate) use threej::{Coupling, sign, three_j};
