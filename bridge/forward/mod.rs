//! Sending what the record holds to the bases, and keeping at it until they have it.
//!
//! A lane goes from one facility to one base: it claims deliveries from the store, sends each outside any
//! transaction and settles it by the answer. Lanes share nothing, so that one facility's refused
//! certificate or slow relay is its own. Nothing of a request or an answer is ever logged.
//!
//! [`config`] is what an operator sets, [`client`] speaks HTTP, [`answer`] says what an answer means,
//! [`breaker`] and [`retry`] say when to try again, [`lane`] is the loop, [`status`] is what the console
//! shows, [`rehearsal`] is the stand-in base.

pub mod breaker;
pub mod config;
pub mod rehearsal;
pub mod retry;
pub mod status;

pub use breaker::CREDENTIALS;
pub use config::{Base, BreakerSettings, Kind, Tls};
pub use status::{BreakerState, Status, Statuses};

/// Now, in milliseconds of Unix time.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Makes ring the process's cryptography, which reqwest looks up. A second call changes nothing.
pub fn install_crypto() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // An error means that one is installed already; ours is the only one that is built in.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
