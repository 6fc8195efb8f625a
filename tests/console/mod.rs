//! The console from outside: who may see what, signing in, headers, words, markup.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod consent;
mod matrix;
mod messages;
mod quarantine;
pub mod site;
mod ward;
