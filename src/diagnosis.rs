//! Checking a connection step by step, for the question why a program does not connect:
//! [`Builder::diagnose`](crate::Builder::diagnose).

pub use crate::client::diagnosis::{Check, Diagnosis, Step, Verdict};
