//! The suite: every test that needs more than one module.

mod cli;
mod e2e;
mod fault;
mod peers;
mod pipeline;
mod support;
mod tidy;
