//! The suite: every test that needs more than one module.

mod browser;
mod cli;
mod conformance;
mod console;
mod e2e;
mod fault;
mod feeds;
mod golden;
mod hostile;
mod machine;
mod participation;
mod peers;
mod pipeline;
mod shipped;
mod support;
mod tidy;
