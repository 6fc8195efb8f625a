//! `bridge.toml`: what an installation is, composed of each module's own settings.

pub mod units;
