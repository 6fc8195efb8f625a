//! The suite: every test that needs more than one module.

mod fault;
mod tidy;
