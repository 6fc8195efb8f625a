//! TLS of whoever listens: TLS 1.3 (1.2 only where a setting says so), client certificates where an authority is
//! named.

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("TLS file {path} cannot be used: {reason}")]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What a listener shows and asks for.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// Certificate chain, PEM.
    pub cert: &'a Path,
    /// Its private key, PEM.
    pub key: &'a Path,
    /// Authorities of the clients' certificates, PEM. Without it clients need none.
    pub client_ca: Option<&'a Path>,
    /// Accept TLS 1.2 too.
    pub allow_tls12: bool,
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError { path: path.into(), reason: reason.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    let found = found.map_err(|error| unusable(path, error))?;
    if found.is_empty() { Err(unusable(path, "no certificate in it")) } else { Ok(found) }
}

/// Reads the files and builds the acceptor. Read again only when the listener starts.
///
/// # Errors
/// A file that cannot be read or does not fit, by its path.
pub fn acceptor(listener: Listener<'_>) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = if listener.allow_tls12 {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13]
    };
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| unusable(listener.cert, error))?;
    let builder = match listener.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| unusable(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(listener.key).map_err(|error| unusable(listener.key, error))?;
    let config = builder
        .with_single_cert(certificates(listener.cert)?, key)
        .map_err(|error| unusable(listener.cert, error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
