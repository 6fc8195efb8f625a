//! The suite: every test that needs more than one module.

mod fault;
mod peers;
mod support;
mod tidy;
mod cli;
mod pipeline;
mod e2e;
