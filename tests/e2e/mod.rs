//! From a sender's socket to a base's journal, with everything between.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod consent;
mod rehearsal;
mod restore;
mod versions;
