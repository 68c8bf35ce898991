//! A minimal message broker for this example: a folder with a file for each topic.

use std::io;
use std::path::PathBuf;

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    folder: PathBuf,
    is_down: bool,
    mistake: Option<String>,
}

impl Broker {
    /// `BROKER` names the folder; with `BROKER_DOWN` set, it stops answering halfway. With
    /// `BROKER_PANICS` the client has a bug, and panics with that text.
    pub(crate) fn from_environment() -> Broker {
        Broker {
            folder: std::env::var_os("BROKER").map_or_else(|| "broker".into(), PathBuf::from),
            is_down: std::env::var_os("BROKER_DOWN").is_some(),
            mistake: std::env::var("BROKER_PANICS").ok(),
        }
    }

    pub(crate) async fn create(&self, topic: &str) -> Result<(), io::Error> {
        tokio::fs::create_dir_all(&self.folder).await?;
        tokio::fs::write(self.folder.join(topic), "partitions: 3\n").await?;
        self.answer()
    }

    pub(crate) async fn delete(&self, topic: &str) -> Result<(), io::Error> {
        self.answer()?;
        tokio::fs::remove_file(self.folder.join(topic)).await
    }

    fn answer(&self) -> Result<(), io::Error> {
        if let Some(text) = &self.mistake {
            panic!("{text}");
        }
        if self.is_down {
            return Err(io::Error::other("the broker did not answer"));
        }
        Ok(())
    }
}
