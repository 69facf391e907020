//! A fast reader of the part of extended XYZ that all readers agree on.
//!
//! The format has grown without a grammar, and readers differ in rare constructions. This crate reads the common ones
//! and returns `None` for all others, so that the caller can fall back to a reference reader (ASE). A frame that this
//! crate reads has the content that the reference reader finds in it.
//!
//! ```
//! use mlipselect_extxyz::{Frame, FrameIndex, Value};
//!
//! let text = b"1\nLattice=\"4 0 0 0 4 0 0 0 4\" Properties=species:S:1:pos:R:3 energy=-1.5\nSi 0 0 0.25\n";
//! let index = FrameIndex::read(&text[..])?.expect("nothing rare in it");
//! assert_eq!((index.len(), index.atoms()), (1, &[1][..]));
//! let frame = Frame::parse(text).expect("nothing rare in it");
//! assert_eq!(frame.info[1], ("energy".into(), Value::Floats(vec![-1.5])));
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod columns;
mod comment;
mod elements;
mod frame;
mod index;
mod number;
mod scan;

pub use columns::{Column, Data};
pub use comment::Value;
pub use frame::Frame;
pub use index::FrameIndex;
pub use scan::Scan;
