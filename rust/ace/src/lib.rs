//! Linear atomic cluster expansion (ACE) descriptor.
