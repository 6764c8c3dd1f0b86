//! A database of its own for each test, dropped at the end. Also used by the tests of `tape-sink`.

#![allow(clippy::unwrap_used, reason = "a failed step of the scaffold is a failed test")]
#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};

use tape_db::{Connection, Pool, migrate};
use tape_service::{Config, Shutdown};

/// The configuration that `make test` sets, as the roles read it.
pub(crate) fn config() -> Config {
    for name in ["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER"] {
        assert!(std::env::var_os(name).is_some(), "{name} is not set: run it through `make test`");
    }
    let names =
        |(name, _): &(String, String)| ["DB_", "KAFKA_", "LOG_"].iter().any(|start| name.starts_with(start));
    Config::load(std::env::vars().filter(names), None).expect("the test's configuration is valid").config
}

/// One database.
pub(crate) struct Scratch {
    pub(crate) config: Config,
}

impl Scratch {
    /// An empty database.
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut config = config();
        let name = format!("tape_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = Pool::new(&config.db, "test-admin").unwrap().get().await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        config.db.name = name;
        Self { config }
    }

    /// A database with the schema and the settings of the default configuration.
    pub(crate) async fn migrated() -> Self {
        let scratch = Self::new().await;
        migrate(&scratch.config, &Shutdown::new()).await.unwrap();
        scratch
    }

    pub(crate) fn pool(&self) -> Pool {
        Pool::new(&self.config.db, "test").unwrap()
    }

    /// A connection of its own: what it sets ends with it.
    pub(crate) async fn connection(&self) -> Connection {
        self.pool().get().await.unwrap()
    }
}

/// Ends all connections to a database and lets no new ones in.
pub(crate) async fn close_to_all(admin: &Connection, name: &str) {
    let away = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    // An autovacuum worker may be ended by a superuser only.
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = '{name}' AND backend_type = 'client backend'"
    );
    admin.batch_execute(&away).await.unwrap();
    admin.batch_execute(&kill).await.unwrap();
}

impl Drop for Scratch {
    /// On a thread with a runtime of its own: the test's runtime cannot be waited for from inside.
    fn drop(&mut self) {
        let (admin, name) = (config().db, self.config.db.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection = Pool::new(&admin, "test-admin").unwrap().get().await.unwrap();
                close_to_all(&connection, &name).await;
                // Not WITH (FORCE): that would end an autovacuum worker too, which only a superuser may. A plain DROP
                // asks it to leave and waits.
                connection.batch_execute(&format!("DROP DATABASE {name}")).await.unwrap();
            });
        });
        let dropped = dropping.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "the scratch database was not dropped");
    }
}
