//! The database: pool, errors by reaction, migrations, the settings row. The only crate that knows
//! tokio-postgres; what others need of it is re-exported here.
//!
//! - [`Pool`] hands out connections with time-outs set on both sides; [`Pool::wait`] goes on asking with backoff
//!   while the database is away and says so.
//! - [`Error`] carries its [`Reaction`]: what the caller does next, decided by SQLSTATE in one table.
//! - [`migrate()`] brings the schema up to date under an advisory lock and writes the settings row; [`schema`] knows its
//!   versions, [`layout`] what the server's edition makes of it, [`maintain`] keeps it in order.
//! - [`backup`] makes dumps whose rows are counted, and brings them back.
//! - [`settings`] compares that row with the configuration.
//! - [`vitals`]: how the server is now, for health checks.
//!
//! Connections are not encrypted yet: `DB_SSLMODE` comes with a later version. Until then use loopback, a Unix
//! socket (`DB_HOST` = its folder) or an encrypted tunnel.

pub mod backup;
mod error;
pub mod layout;
pub mod maintain;
pub mod migrate;
mod pool;
mod reaction;
pub mod schema;
pub mod settings;
pub mod vitals;

pub use deadpool_postgres::Client as Connection;
pub use tokio_postgres::types::ToSql;
pub use tokio_postgres::{Row, Statement};

pub use error::Error;
pub use migrate::migrate;
pub use pool::{Pool, PoolStatus, discard};
pub use reaction::{NAMED_SQLSTATES, Reaction};
