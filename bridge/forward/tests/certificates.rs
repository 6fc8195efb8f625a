//! Client certificates: with the right one a delivery is registered, without it the facility pauses.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use std::path::Path;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.into()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A server of its own authority that takes clients of `clients` only.
fn server(own: &Authority, clients: &Authority) -> Arc<rustls::ServerConfig> {
    install_crypto();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let (certificate, key) = issue(own, "localhost");
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

fn client(dir: &Path, name: &str, authority: &Authority) -> Tls {
    let (certificate, key) = issue(authority, "hospital");
    let (cert_path, key_path) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    std::fs::write(&cert_path, certificate.pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    Tls { client_cert: Some(cert_path), client_key: Some(key_path), ca: Some(dir.join("ca.pem")) }
}

#[tokio::test]
async fn the_base_knows_the_facility_by_its_certificate() {
    let (own, clients, strangers) = (authority("own"), authority("clients"), authority("strangers"));
    let config = RehearsalConfig { tls: Some(server(&own, &clients)), ..RehearsalConfig::default() };
    let (rehearsal, _) =
        rehearsal::spawn("127.0.0.1:0".parse().unwrap(), config, CancellationToken::new()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), own.pem()).unwrap();
    std::fs::write(dir.path().join("other-ca.pem"), strangers.pem()).unwrap();
    let known = client(dir.path(), "known", &clients);
    let url = format!("https://localhost:{}/fhir", rehearsal.addr.port());

    for (tls, expected) in [
        (known.clone(), "registered"),
        (client(dir.path(), "stranger", &strangers), CREDENTIALS),
        (Tls { client_cert: None, client_key: None, ..known.clone() }, CREDENTIALS),
        (Tls { ca: Some(dir.path().join("other-ca.pem")), ..known.clone() }, "tls"),
    ] {
        let queue = Queue::new(vec![("p/1", puts(&["a"]))]);
        attempt(Base { tls: Some(tls.clone()), ..settings(&url) }, &queue).await;
        assert_eq!(queue.last("p/1"), expected, "{tls:?}");
    }
    assert_eq!(rehearsal.asked().len(), 1);
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let nonsense = dir.path().join("nonsense.pem");
    std::fs::write(&nonsense, "nonsense").unwrap();
    let open = |tls| Client::open(&Base { tls: Some(tls), ..settings("https://localhost/") }).err().unwrap();
    let missing = Tls { ca: Some(dir.path().join("missing.pem")), ..Tls::default() };
    assert!(matches!(open(missing), OpenError::Read { .. }));
    assert!(matches!(open(Tls { ca: Some(nonsense.clone()), ..Tls::default() }), OpenError::Pem { .. }));
    let both = Tls { client_cert: Some(nonsense.clone()), client_key: Some(nonsense), ..Tls::default() };
    assert!(matches!(open(both), OpenError::Pem { .. }));
}
