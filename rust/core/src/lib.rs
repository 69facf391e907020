//! Exact, label-free selection of informative rows.
