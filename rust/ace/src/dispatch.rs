//! Runs a kernel with the best instructions of this processor.

use crate::lanes::{Arithmetic, Fused, Separate};

/// Work that is written once for every kind of arithmetic.
///
/// `run` and what it calls must be inlined, so that they are compiled for the instructions of the caller.
pub(crate) trait Kernel {
    fn run<A: Arithmetic>(self);
}

/// What the processor offers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processor {
    /// Whether it multiplies and adds in one instruction.
    fused: bool,
}

impl Processor {
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        #[cfg(not(target_arch = "x86_64"))]
        let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
        Self { fused }
    }

    /// One without fused instructions.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { fused: false }
    }

    pub(crate) fn run(self, kernel: impl Kernel) {
        #[cfg(target_arch = "x86_64")]
        if self.fused {
            // SAFETY: `fused` is only set where the processor has both features.
            return unsafe { run_avx2(kernel) };
        }
        if self.fused {
            kernel.run::<Fused>();
        } else {
            kernel.run::<Separate>();
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(kernel: impl Kernel) {
    kernel.run::<Fused>();
}
