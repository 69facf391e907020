//! The numbers that formulas are evaluated with: plain, several at once, or with a derivative.

mod dispatch;
mod dual;
mod lanes;
mod number;

pub(crate) use dispatch::{Instructions, Kernel};
pub(crate) use dual::Dual;
pub(crate) use lanes::{Arithmetic, LANES, Lanes, Pack, QUAD, Quad, Row, WIDTH, numbers, transpose};
pub(crate) use number::Number;
