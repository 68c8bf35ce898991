//! Custom certificate authorities.

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// Returns the certificates of a PEM, which must contain at least one.
pub(crate) fn authorities(pem: &[u8]) -> Result<RootCerts, String> {
    let none = || "its certificate authorities are no PEM with certificates".to_owned();
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            // A PEM may also contain a private key, which is not needed.
            Ok(_) => {}
            Err(_) => return Err(none()),
        }
    }
    if certificates.is_empty() {
        return Err(none());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
