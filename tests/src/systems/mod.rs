//! Private servers of systems other than sqlx databases: brokers, gateways, caches, vendors.
//!
//! A [`System`] belongs to one test. It is started from installed programs, on free ports of the
//! loopback interface, in a temporary folder, like a database [`Server`](crate::Server).

mod caddy;
mod moto;
mod nats;
mod rabbitmq;
mod redis;
mod service;
mod unleash;

pub use caddy::Caddy;
pub use moto::Moto;
pub use nats::Nats;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use service::{Service, System};
pub use unleash::Unleash;
