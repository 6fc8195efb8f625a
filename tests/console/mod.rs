//! The console from outside: who may see what, signing in, headers, words, markup.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod consent;
mod markup;
mod matrix;
mod messages;
mod people;
mod quarantine;
mod sign_in;
pub mod site;
mod status;
mod tls;
pub mod ward;
