//! Distances between rows: definitions, bounds from rounded rows, and nearest centres while centres are added.

mod centres;
mod coverage;
mod mean;
mod near_lists;
mod nearest;
mod points;
mod rounded;
pub(crate) mod screen;

pub(crate) use centres::Centres;
pub(crate) use coverage::Coverage;
pub(crate) use mean::{lengths_from, mean};
pub(crate) use nearest::{Nearest, Seen};
pub(crate) use points::Space;
pub use points::{Distance, Metric, Scale};
pub(crate) use rounded::Rounded;
