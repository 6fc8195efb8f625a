//! The console over TLS, and never plain beyond this machine.

use super::site::Site;
use renkei_bridge::console::{self, ConsoleError, Listen};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

#[test]
fn a_plain_console_beyond_this_machine_is_refused() {
    let site = Site::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outside = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let result = runtime.block_on(console::spawn(outside, site.state.clone(), CancellationToken::new()));
    assert!(matches!(result, Err(ConsoleError::Plain(address)) if address == outside));
}

#[test]
fn pages_come_over_tls_1_3_and_plain_words_get_nothing() {
    let site = Site::start();
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["bridge.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let (cert, pem) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, certificate.pem()).unwrap();
    std::fs::write(&pem, key.serialize_pem()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stop = CancellationToken::new();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let missing = Listen { address: any, tls: Some((folder.path().join("none.pem"), pem.clone())) };
    let refused = runtime.block_on(console::spawn(missing, site.state.clone(), stop.clone()));
    assert!(matches!(refused, Err(ConsoleError::Tls(_))));
    let listen = Listen { address: any, tls: Some((cert, pem)) };
    let running = runtime.block_on(console::spawn(listen, site.state.clone(), stop.clone())).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let answer = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(running.local_addr).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("bridge.example").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(b"GET /login HTTP/1.0\r\nHost: bridge.example\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // The end without a close_notify is the end all the same.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    });
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    let plain = runtime.block_on(async {
        let mut stream = tokio::net::TcpStream::connect(running.local_addr).await.unwrap();
        stream.write_all(b"GET /login HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    });
    assert!(!plain.contains("HTTP/1"), "{plain}");
    stop.cancel();
}
