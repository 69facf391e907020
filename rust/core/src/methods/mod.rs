//! The methods of selection: one file a method.

pub(crate) mod bayesian;
pub(crate) mod cur;
pub(crate) mod facility_location;
pub(crate) mod fps;
pub(crate) mod random;
