//! Hostile input and what becomes of it where people look: no patient may be read out of a log, a metric, a
//! page or an error text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod canary;
mod messages;
