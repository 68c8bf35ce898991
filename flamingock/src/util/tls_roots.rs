//! The certificate authorities of a company's own.

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// The certificates of a PEM, which must have one at least.
pub(crate) fn authorities(pem: &[u8]) -> Result<RootCerts, String> {
    let none = || "its certificate authorities are no PEM with certificates".to_owned();
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            // A private key may stand beside it, and is not needed.
            Ok(_) => {}
            Err(_) => return Err(none()),
        }
    }
    if certificates.is_empty() {
        return Err(none());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
