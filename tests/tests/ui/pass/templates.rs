//! Variants of templates: their payload, arguments, verify function and place.

#![deny(warnings)]

use std::collections::BTreeMap;

use flamingock::__private::{IsTemplate, NeedKind, Template, Work};
use flamingock::template::{Secret, Text};
use flamingock::{BoxError, Context, template, templates, verify};
use sqlx::{Sqlite, SqliteConnection, Transaction};

pub mod payloads {
    #[derive(Debug, serde::Deserialize)]
    pub struct Stream {
        pub name: String,
    }
}

pub struct Client;

/// With everything that a change can take.
#[template("nats-stream")]
pub async fn nats_stream(
    stream: payloads::Stream,
    client: &Client,
    db: &mut SqliteConnection,
    cx: &Context,
    maybe: Option<&str>,
) -> Result<(), BoxError> {
    let _ = (stream.name, client, db, cx, maybe);
    Ok(())
}

#[verify(template = nats_stream)]
pub async fn nats_stream_exists(name: String, client: &Client) -> Result<bool, std::fmt::Error> {
    let _ = client;
    Ok(!name.is_empty())
}

#[template("secrets", register = false)]
async fn secrets(_settings: (Secret, Option<Text>), _tx: &mut Transaction<'_, Sqlite>) {}

#[template("any", register = false)]
async fn r#type(mut map: BTreeMap<String, Vec<u8>>) -> Result<(), BoxError> {
    map.clear();
    Ok(())
}

mod elsewhere {
    #![allow(dead_code)]

    struct Result;
    struct Box;
    struct String;

    #[flamingock::template("shadowed", register = false)]
    pub(crate) async fn shadowed(_payload: u8) {}

    #[flamingock::verify(template = shadowed)]
    async fn is_shadowed(_payload: u8) -> bool {
        true
    }
}

#[cfg(any())]
#[template("absent")]
async fn absent(_payload: Nothing) {}

macro_rules! template_named {
    ($name:literal, $function:ident) => {
        #[template($name, register = false)]
        async fn $function(_payload: u8) {}
    };
}

template_named!("by-a-macro", by_a_macro);

fn kinds(template: &Template) -> Vec<NeedKind> {
    let Work::Function(body) = &template.work else {
        panic!()
    };
    body.needs.iter().map(|need| need.kind).collect()
}

fn main() {
    let [stream, secrets, any, shadowed, by_a_macro] =
        templates![nats_stream, secrets, r#type, elsewhere::shadowed, by_a_macro];
    let kinds_of_stream = kinds(stream);
    assert_eq!(kinds_of_stream.len(), 4);
    assert!(matches!(kinds_of_stream[1], NeedKind::Connection(_)));
    assert!(stream.verify.is_some() && shadowed.verify.is_some() && any.verify.is_none());
    assert_eq!(secrets.name(), "secrets");
    assert_eq!(by_a_macro.name(), "by-a-macro");
    assert_eq!(<nats_stream as IsTemplate>::DEFINITION.name(), "nats-stream");
    assert!(kinds(any).is_empty());

    // The functions stay callable.
    let _: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(by_a_macro_future());
}

async fn by_a_macro_future() {
    by_a_macro(1).await;
}
