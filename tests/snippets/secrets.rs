//! `secrets.md`: where the values of secrets come from.

use flamingock::BoxError;
use flamingock::template::SecretResolver;

#[derive(Debug)]
pub(crate) struct Vault;

impl Vault {
    async fn read(&self, _: &str) -> Result<String, BoxError> {
        Ok("open sesame".to_owned())
    }
}

#[async_trait::async_trait]
impl SecretResolver for Vault {
    async fn resolve(&self, name: &str) -> Result<String, BoxError> {
        self.read(&format!("secret/data/flamingock/{name}")).await
    }
}
