//! TLS of a feed's listener, from its settings.

use super::IntakeError;
use super::feed::Tls;
use crate::tls;
use tokio_rustls::TlsAcceptor;

/// Reads the files and builds the acceptor. Read again only when the feed starts.
///
/// # Errors
/// A file that cannot be read or does not fit, by its path.
pub fn acceptor(settings: &Tls) -> Result<TlsAcceptor, IntakeError> {
    let listener = tls::Listener {
        cert: &settings.cert,
        key: &settings.key,
        client_ca: settings.client_ca.as_deref(),
        allow_tls12: settings.allow_tls12,
    };
    tls::acceptor(listener).map_err(|error| IntakeError::Tls { path: error.path, reason: error.reason })
}
