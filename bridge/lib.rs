//! The appliance: takes messages in, keeps them, translates them, forwards them, shows what happened.
//!
//! Arrows point one way: `cli → app → {intake, pipeline, forward, console, participation} → {record, store} → translate`.
//! Workers meet only in [`store`]. `bridge/ARCHITECTURE.md` tells the walk of one message.

pub mod app;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod consent;
pub mod console;
pub mod demo;
pub mod forward;
pub mod intake;
pub mod participation;
pub mod pipeline;
pub mod record;
pub mod shape;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod units;
