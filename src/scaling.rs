//! Threads and scaling: what one process takes, which style to choose, and how several processes share the work.
#![doc = ""]
#![doc = include_str!("scaling.md")]
