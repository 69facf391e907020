//! One way to choose the instructions of a processor.
//!
//! A build runs on every processor of its target, and uses the vector instructions of the one that it finds.
//! [`for_this_processor!`](crate::for_this_processor) compiles one body twice, for the baseline of the target and for
//! AVX2 with FMA, and calls the version that the processor can run. Functions written with intrinsics, whose bodies
//! differ, ask [`level`].
//!
//! ```
//! mlipselect_simd::for_this_processor! {
//!     /// Scalar product of two vectors.
//!     #[inline]
//!     fn dot(a: &[f64], b: &[f64]) -> f64 = dot_body::<FUSED>
//! }
//!
//! #[inline(always)]
//! fn dot_body<const FUSED: bool>(a: &[f64], b: &[f64]) -> f64 {
//!     let add = |sum: f64, (a, b): (&f64, &f64)| if FUSED { a.mul_add(*b, sum) } else { sum + a * b };
//!     a.iter().zip(b).fold(0.0, add)
//! }
//!
//! assert_eq!(dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
//! ```

/// Instruction sets that functions are compiled for; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the target has.
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW and VNNI.
    Avx512,
}

/// Whether the baseline of the target multiplies and adds in one instruction.
pub const BASELINE_IS_FUSED: bool = cfg!(target_arch = "aarch64");

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Level;

    const UNKNOWN: u8 = u8::MAX;
    static LEVEL: AtomicU8 = AtomicU8::new(UNKNOWN);

    #[inline]
    pub(super) fn level() -> Level {
        const BASELINE: u8 = Level::Baseline as u8;
        const AVX2: u8 = Level::Avx2 as u8;
        match LEVEL.load(Ordering::Relaxed) {
            UNKNOWN => detect(),
            BASELINE => Level::Baseline,
            AVX2 => Level::Avx2,
            _ => Level::Avx512,
        }
    }

    #[cold]
    fn detect() -> Level {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        let level = match (avx2, avx512) {
            (true, true) => Level::Avx512,
            (true, false) => Level::Avx2,
            (false, _) => Level::Baseline,
        };
        LEVEL.store(level as u8, Ordering::Relaxed);
        level
    }
}

/// The highest level of this processor, which is asked once.
#[inline]
pub fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    return x86::level();
    #[cfg(not(target_arch = "x86_64"))]
    Level::Baseline
}

/// Defines a function whose body is compiled for the baseline of the target and for AVX2 with FMA.
///
/// The body is another function, marked `#[inline(always)]` like all that it calls, so that it is compiled for the
/// instructions of its caller. `= body::<FUSED>` tells it whether to multiply and add in one instruction; `= body` is for
/// bodies that never do. `= body::<FUSED>, wide` compiles a third version for AVX-512, for bodies whose loops fill its
/// registers. A call costs one load and one or two comparisons, and the version that it chooses is not inlined.
#[macro_export]
macro_rules! for_this_processor {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)?
     = $body:ident::<FUSED>) => {
        $crate::for_this_processor! {
            @define [$(#[$attribute])* $visibility] $name($($argument: $type),*) ($(-> $out)?)
            [$body::<{ $crate::BASELINE_IS_FUSED }>] [$body::<true>] []
        }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)?
     = $body:ident::<FUSED>, wide) => {
        $crate::for_this_processor! {
            @define [$(#[$attribute])* $visibility] $name($($argument: $type),*) ($(-> $out)?)
            [$body::<{ $crate::BASELINE_IS_FUSED }>] [$body::<true>] [$body::<true>]
        }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)?
     = $body:ident) => {
        $crate::for_this_processor! {
            @define [$(#[$attribute])* $visibility] $name($($argument: $type),*) ($(-> $out)?) [$body] [$body] []
        }
    };
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)?
     = $body:ident, wide) => {
        $crate::for_this_processor! {
            @define [$(#[$attribute])* $visibility] $name($($argument: $type),*) ($(-> $out)?) [$body] [$body] [$body]
        }
    };
    (@define [$($head:tt)*] $name:ident($($argument:ident: $type:ty),*) ($($out:tt)*)
     [$($baseline:tt)*] [$($avx2:tt)*] [$($avx512:tt)*]) => {
        $($head)* fn $name($($argument: $type),*) $($out)* {
            #[cfg(target_arch = "x86_64")]
            {
                $crate::for_this_processor! {
                    @call Avx512 "avx512f,avx512bw,avx512vnni,avx2,fma" ($($argument: $type),*) ($($out)*) [$($avx512)*]
                }
                $crate::for_this_processor! {
                    @call Avx2 "avx2,fma" ($($argument: $type),*) ($($out)*) [$($avx2)*]
                }
            }
            $($baseline)*($($argument),*)
        }
    };
    (@call $level:ident $features:literal ($($argument:ident: $type:ty),*) ($($out:tt)*) []) => {};
    (@call $level:ident $features:literal ($($argument:ident: $type:ty),*) ($($out:tt)*) [$($body:tt)*]) => {
        if $crate::level() >= $crate::Level::$level {
            #[target_feature(enable = $features)]
            fn with_features($($argument: $type),*) $($out)* {
                $($body)*($($argument),*)
            }
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { with_features($($argument),*) };
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    for_this_processor! {
        fn multiply_add(a: f64, b: f64, c: f64) -> (bool, f64) = multiply_add_body::<FUSED>
    }

    for_this_processor! {
        fn wide_multiply_add(a: f64, b: f64, c: f64) -> (bool, f64) = multiply_add_body::<FUSED>, wide
    }

    #[inline(always)]
    fn multiply_add_body<const FUSED: bool>(a: f64, b: f64, c: f64) -> (bool, f64) {
        (FUSED, if FUSED { a.mul_add(b, c) } else { a * b + c })
    }

    for_this_processor! {
        fn negate(numbers: &mut [f64]) = negate_body
    }

    #[inline(always)]
    fn negate_body(numbers: &mut [f64]) {
        numbers.iter_mut().for_each(|x| *x = -*x);
    }

    #[test]
    fn the_level_stays_and_decides() {
        let first = level();
        assert_eq!(level(), first);
        let (fused, value) = multiply_add(2.0, 3.0, 4.0);
        assert_eq!(fused, first >= Level::Avx2 || BASELINE_IS_FUSED);
        assert_eq!(value, 10.0);
        assert_eq!(wide_multiply_add(2.0, 3.0, 4.0), (fused, value));
        let mut numbers = [1.0, -2.0];
        negate(&mut numbers);
        assert_eq!(numbers, [-1.0, 2.0]);
    }
}
