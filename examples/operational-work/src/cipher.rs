//! The encryption of telephone numbers.

use chacha20poly1305::aead::{Aead, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use flamingock::BoxError;

/// The length of a nonce in bytes, which comes before the ciphertext.
const NONCE: usize = 24;

/// The old key and the new one. Neither is printed.
pub(crate) struct Keys {
    pub(crate) old: Key,
    pub(crate) new: Key,
}

pub(crate) struct Key(Option<XChaCha20Poly1305>);

impl Keys {
    /// An empty key is reported where it is used: commands that only read the audit need none.
    pub(crate) fn from_hexadecimal(old: &str, new: &str) -> Result<Keys, BoxError> {
        let (old, new) = (key("OLD_KEY", old)?, key("NEW_KEY", new)?);
        Ok(Keys { old, new })
    }
}

impl Key {
    /// Encrypts a text for the row with that id, with a new nonce each time; it can be decrypted
    /// for no other row.
    pub(crate) fn seal(&self, id: i64, text: &[u8]) -> Result<Vec<u8>, BoxError> {
        let nonce = XNonce::generate();
        let mut sealed = nonce.to_vec();
        let aad = &id.to_be_bytes();
        let payload = Payload { msg: text, aad };
        sealed.extend(self.cipher()?.encrypt(&nonce, payload)?);
        Ok(sealed)
    }

    pub(crate) fn open(&self, id: i64, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
        let refused = || format!("the number of customer {id} is not encrypted with this key");
        let (nonce, msg) = sealed.split_at_checked(NONCE).ok_or_else(refused)?;
        let aad = &id.to_be_bytes();
        let opened = self
            .cipher()?
            .decrypt(&XNonce::try_from(nonce)?, Payload { msg, aad });
        Ok(opened.map_err(|_| refused())?)
    }

    fn cipher(&self) -> Result<&XChaCha20Poly1305, BoxError> {
        Ok(self.0.as_ref().ok_or("set OLD_KEY and NEW_KEY")?)
    }
}

fn key(name: &str, digits: &str) -> Result<Key, BoxError> {
    if digits.is_empty() {
        return Ok(Key(None));
    }
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    let cipher = bytes.and_then(|bytes| XChaCha20Poly1305::new_from_slice(&bytes).ok());
    let cipher = cipher.ok_or_else(|| format!("{name} must be 64 hexadecimal digits"))?;
    Ok(Key(Some(cipher)))
}
