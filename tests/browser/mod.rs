//! The console in Chromium: what only a browser can show. Without chromedriver and chromium these tests say so and
//! do nothing; `CHROMEDRIVER_BIN` and `CHROMIUM_BIN` name others than those of the path.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

mod demo;
mod driver;
mod hostile;
mod keyboard;
mod message;
mod pages;
mod pictures;
mod quarantine;
mod roles;
