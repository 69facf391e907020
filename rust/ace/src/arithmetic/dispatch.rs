//! Runs a kernel with the best instructions of this processor.

use mlipselect_simd::for_this_processor;

use super::lanes::{Arithmetic, Fused, Separate};

/// A computation that is written once for every kind of arithmetic.
///
/// `run` and all functions that it calls must be `#[inline(always)]`, so that they are compiled for the instructions of
/// the caller.
pub(crate) trait Kernel {
    fn run<A: Arithmetic>(self);
}

/// The instructions that kernels run with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instructions {
    /// AVX2 and FMA where the processor has them, else the baseline of the target.
    Best,
    /// Separate multiplications and additions, whatever the processor has.
    #[cfg(test)]
    Separate,
}

impl Instructions {
    pub(crate) fn run(self, kernel: impl Kernel) {
        match self {
            Self::Best => run_best(kernel),
            #[cfg(test)]
            Self::Separate => kernel.run::<Separate>(),
        }
    }
}

for_this_processor! {
    fn run_best(kernel: impl Kernel) = run_with::<FUSED>
}

#[inline(always)]
fn run_with<const FUSED: bool>(kernel: impl Kernel) {
    if FUSED { kernel.run::<Fused>() } else { kernel.run::<Separate>() }
}
