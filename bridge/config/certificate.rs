//! How long a certificate is valid: just enough DER to find `notAfter`.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Reads a chain of PEM certificates and says when the first of its members to end does, in seconds since 1970.
///
/// # Errors
/// A sentence that says why it cannot be used.
pub(super) fn not_after(path: &Path) -> Result<i64, String> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| error.to_string())?;
    let ends: Option<Vec<i64>> = chain.iter().map(|certificate| end_of(certificate)).collect();
    match ends.as_deref() {
        None => Err("not an X.509 certificate".into()),
        Some([]) => Err("no certificate in it".into()),
        Some(ends) => Ok(ends.iter().copied().min().unwrap_or_default()),
    }
}

/// Reads a PEM private key.
///
/// # Errors
/// A sentence that says why it cannot be used.
pub(super) fn private_key(path: &Path) -> Result<(), String> {
    PrivateKeyDer::from_pem_file(path).map(|_| ()).map_err(|error| error.to_string())
}

/// One DER element: tag, content, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let bytes = usize::from(first & 0x7f);
        // Four bytes of length are 4 GiB: no certificate is longer.
        if bytes == 0 || bytes > 4 || rest.len() < bytes {
            return None;
        }
        let (length, rest) = rest.split_at(bytes);
        (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
    };
    (rest.len() >= length).then(|| (tag, &rest[..length], &rest[length..]))
}

/// RFC 5280: TBSCertificate = [0] version, serialNumber, signature, issuer, validity { notBefore, notAfter } …
fn end_of(certificate: &[u8]) -> Option<i64> {
    const VERSION: u8 = 0xa0;
    const UTC_TIME: u8 = 0x17;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut tbs, _) = element(certificate)?;
    if tbs.first() == Some(&VERSION) {
        tbs = element(tbs)?.2;
    }
    for _ in ["serialNumber", "signature", "issuer"] {
        tbs = element(tbs)?.2;
    }
    let (_, validity, _) = element(tbs)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    let time = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    // RFC 5280, 4.1.2.5.1: two-digit years from 50 on are of the last century.
    let time = match tag {
        UTC_TIME if time.get(..2)? < "50" => format!("20{time}"),
        UTC_TIME => format!("19{time}"),
        _ => time.to_owned(),
    };
    let time = chrono::NaiveDateTime::parse_from_str(&time, "%Y%m%d%H%M%S").ok()?;
    Some(time.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::{not_after, private_key};

    #[test]
    fn the_end_of_a_certificate_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let check = |year: i32, expected: i64| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["bridge.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            let certificate = params.self_signed(&key).unwrap();
            let (cert, pem) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
            std::fs::write(&cert, certificate.pem()).unwrap();
            std::fs::write(&pem, key.serialize_pem()).unwrap();
            assert_eq!(not_after(&cert), Ok(expected));
            assert_eq!(private_key(&pem), Ok(()));
            assert!(not_after(&pem).is_err());
            assert!(private_key(&cert).is_err());
        };
        // UTCTime to 2049, GeneralizedTime from 2050.
        check(2031, 1_930_089_600);
        check(2051, 2_561_241_600);
    }
}
