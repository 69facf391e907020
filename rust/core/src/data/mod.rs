//! Rows of features: groups, scaling, and storage in memory, in mapped files and in temporary files.

pub(crate) mod beside;
pub(crate) mod groups;
pub(crate) mod mean_square;
pub(crate) mod owned_rows;
pub(crate) mod pages;
pub(crate) mod rows;
pub(crate) mod scaling;
pub(crate) mod scratch;
pub(crate) mod spans;
pub(crate) mod splitmix;
pub(crate) mod temporary_file;
