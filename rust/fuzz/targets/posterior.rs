//! Any bytes as a posterior: refused, or a posterior that says finite numbers and is written as it was read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mlipselect_core::Posterior;

fuzz_target!(|bytes: &[u8]| {
    let Ok(posterior) = Posterior::from_bytes(bytes) else { return };
    assert!(posterior.dim() > 0);
    assert!(posterior.noise_precision() > 0.0);
    let written = posterior.to_bytes().expect("what was read can be written");
    let again = Posterior::from_bytes(&written).expect("what was written can be read");
    assert_eq!(written, again.to_bytes().expect("what was read can be written"));
});
