//! Linear algebra of the crate: products of many rows with many directions, Gram matrices, triangular factors.

mod block;
mod gram;
mod kernel;
mod pair_products;
mod panels;
mod single;
mod sketch;
pub(crate) mod spectrum;
mod triangular;

pub(crate) use block::{Block, project, quadratic_forms};
pub(crate) use gram::{GramSum, gram, single_gram};
pub(crate) use kernel::{GROUP, LANES};
pub(crate) use pair_products::{pair_products, product_error};
pub(crate) use panels::Panels;
pub(crate) use single::single_quadratic_forms;
pub(crate) use sketch::{DIRECTIONS, ROWS, Sketch};
pub(crate) use triangular::{append_rows, invert, triangle_of, upper_times};
