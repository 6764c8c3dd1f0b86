//! A folder of backups with programs of its own, and rows worth a backup.

#![allow(clippy::unwrap_used, reason = "a failed step of the scaffold is a failed test")]

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tape_db::backup::{Backup, Manifest, Options, Restored, Tools, backup, restore};
use tape_db::{Pool, maintain};
use tape_service::{Failure, Shutdown};
use tempfile::TempDir;

use crate::scratch::{Scratch, close_to_all, config};

/// Everything that a test waits for is there within this.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Vault {
    dir: TempDir,
    bin: TempDir,
}

impl Vault {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), bin: tempfile::tempdir().unwrap() }
    }

    /// A file beside the backups, or beside the programs that tests write.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let is_a_mark = ["arguments", "environment", "started", "go", "elsewhere"].contains(&name);
        if is_a_mark { self.bin.path() } else { self.dir.path() }.join(name)
    }

    /// Everything in the folder of backups but the lock.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        sorted(all.filter(|path| !path.ends_with(".tape-backup.lock")).collect())
    }

    /// A program that goes before the real one, which it finds in its own PATH. Written by a shell: a file that this process
    /// has open for writing while another test forks cannot be run.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        let here = self.bin.path().display();
        let script = format!("#!/bin/sh\nHERE={here}\n{script}\n");
        let written = Command::new("sh")
            .args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"])
            .arg(self.bin.path().join(name))
            .arg(script)
            .status();
        assert!(written.unwrap().success());
    }

    /// Says that it was started, and waits for the file `go`.
    pub(crate) fn waiting_pg_dump(&self) {
        self.tool(
            "pg_dump",
            "case $1 in --version) exec pg_dump \"$@\" ;; esac\necho $$ >\"$HERE/new\" && mv \"$HERE/new\" \"$HERE/started\"\n\
             while [ ! -e \"$HERE/go\" ]; do sleep 0.05; done\nexec pg_dump \"$@\"",
        );
    }

    pub(crate) async fn seen(&self, name: &str) {
        let begun = Instant::now();
        while !self.path(name).exists() {
            assert!(begun.elapsed() < PATIENCE, "{name} was not seen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn options(&self, keep: Option<NonZeroUsize>) -> Options {
        Options { dir: self.dir.path().to_owned(), keep, tools: self.tools() }
    }

    pub(crate) fn tools(&self) -> Tools {
        let mut path = OsString::from(self.bin.path());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        Tools::within(path)
    }

    pub(crate) async fn try_backup(&self, of: &Scratch, stop: &Shutdown) -> Result<Option<Backup>, Failure> {
        backup(&of.config, &self.options(None), stop, |_| {}).await
    }

    pub(crate) async fn backup(&self, of: &Scratch, keep: Option<NonZeroUsize>) -> Backup {
        backup(&of.config, &self.options(keep), &Shutdown::new(), |_| {}).await.unwrap().unwrap()
    }

    pub(crate) async fn restore(&self, into: &Scratch, of: &Backup) -> Result<Option<Restored>, Failure> {
        restore(&into.config, Path::new(&of.file), &self.tools(), &Shutdown::new()).await
    }
}

impl Scratch {
    /// Rows in partitions of the past, of now, of later and in the default one; alerts, offsets, roll-ups with marks on some.
    pub(crate) async fn fill(&self) {
        let offsets =
            "INSERT INTO sink_offsets SELECT 'g', 't', p, 1000 * p + 7 FROM generate_series(0, 2) p";
        self.connection().await.batch_execute(offsets).await.unwrap();
        for symbol in ["S1", "S2", "Ünï'\\\"\t"] {
            self.write(symbol).await;
        }
        let stale = "INSERT INTO rollup_stale (hour, writer) SELECT date_trunc('hour', now()) + make_interval(days => d), 42 \
             FROM (VALUES (-20), (0)) v (d)";
        self.connection().await.batch_execute(stale).await.unwrap();
        self.maintain().await;
    }

    /// A symbol's windows, with values that do not survive careless printing, and its alerts.
    pub(crate) async fn write(&self, symbol: &str) {
        let windows = "INSERT INTO stock_aggregates (symbol, window_start, window_end, avg_price, max_price, min_price, \
             total_volume, trade_count, side, bar_open, bar_high, bar_low, bar_close, bar_volume, bar_trades, bar_notional, \
             bar_notional_size, is_final, revision, closed_by) \
             SELECT $1, t, t + interval '5 min', 0.1::float8 + 0.2::float8 + m, 1e-300, 'NaN', 1.7976931348623157e308, m, m % 3 - 1, 1, \
             2, 0.5, m / 3.0::float8, m, 1 + m, 12345678901234567890.000000000000000001 * m, m, m % 7 <> 0, m * 1000003, \
             CASE WHEN m % 7 <> 0 THEN 'RECORD' END \
             FROM (VALUES (-20), (0), (8), (400)) days (d), generate_series(0, 59) m, \
             LATERAL (SELECT date_trunc('hour', now()) + make_interval(days => d, mins => m::int) + interval '1 microsecond') w (t)";
        let alerts = "INSERT INTO breakout_alerts (symbol, timestamp, current_price, window_avg, signal, type) \
             SELECT $1, now() + make_interval(days => m::int - 30), m / 7.0::float8, NULL, 'BULLISH', 'breakout' \
             FROM generate_series(0, 59) m";
        let connection = self.connection().await;
        for sql in [windows, alerts] {
            assert!(connection.execute(sql, &[&symbol]).await.unwrap() > 0);
        }
    }

    pub(crate) async fn delete(&self, symbol: &str) {
        for table in ["stock_aggregates", "breakout_alerts"] {
            let sql = format!("DELETE FROM {table} WHERE symbol = $1");
            assert!(self.connection().await.execute(&sql, &[&symbol]).await.unwrap() > 0);
        }
    }

    pub(crate) async fn maintain(&self) {
        maintain::maintain(&self.config, false, &Shutdown::new(), |_| {}).await.unwrap().unwrap();
    }

    /// Drops the database and makes it again, empty.
    pub(crate) async fn make_anew(&self) {
        let (admin, name) = (Pool::new(&config().db, "test-admin").unwrap(), &self.config.db.name);
        let admin = admin.get().await.unwrap();
        close_to_all(&admin, name).await;
        for verb in ["DROP", "CREATE"] {
            admin.batch_execute(&format!("{verb} DATABASE {name}")).await.unwrap();
        }
    }

    /// Every row of every table of ours, read column by column as JSON, without the help of what is tested.
    pub(crate) async fn contents(&self) -> Vec<(String, Vec<String>)> {
        let connection = self.connection().await;
        connection.batch_execute("SET TimeZone = 'UTC'").await.unwrap();
        let names = [
            "stock_aggregates",
            "breakout_alerts",
            "settings",
            "sink_offsets",
            "bar_rollups",
            "rollup_stale",
            "refinery_schema_history",
        ];
        let mut contents = Vec::new();
        for name in names {
            let there =
                connection.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&name]).await.unwrap();
            if there.get(0) {
                let sql =
                    format!("SELECT j::text FROM {name} t, to_json(t) j ORDER BY j::text COLLATE \"C\"");
                let rows = connection.query(&sql, &[]).await.unwrap();
                contents.push((name.to_owned(), rows.iter().map(|row| row.get(0)).collect()));
            }
        }
        contents
    }

    /// Tables, partitions, columns, indexes, constraints, functions, views and comments, as text.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let sql = "SELECT concat(c.oid::regclass, ' ', relkind, ' ') || coalesce(reloptions::text, '') || ' ' \
                   || coalesce(pg_get_expr(relpartbound, c.oid), '') \
                   FROM pg_class c WHERE relnamespace = 'public'::regnamespace \
                   UNION ALL SELECT concat(attrelid::regclass, '.', attname, ' ', format_type(atttypid, atttypmod), attnotnull) \
                   FROM pg_attribute JOIN pg_class c ON c.oid = attrelid \
                   WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i' AND attnum > 0 \
                   UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
                   UNION ALL SELECT concat(conrelid::regclass, ' ', conname, ' ') || pg_get_constraintdef(oid) FROM pg_constraint \
                   WHERE connamespace = 'public'::regnamespace \
                   UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
                   UNION ALL SELECT viewname || definition FROM pg_views WHERE schemaname = 'public' \
                   UNION ALL SELECT concat(objoid::regclass, ' ', objsubid, ' ', description) FROM pg_description \
                   WHERE classoid = 'pg_class'::regclass AND objoid IN \
                   (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) ORDER BY 1";
        let rows = self.connection().await.query(sql, &[]).await.unwrap();
        assert!(rows.len() > 100);
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub(crate) fn read_manifest(of: &Backup) -> Manifest {
    serde_json::from_slice(&fs::read(of.file.with_extension("json")).unwrap()).unwrap()
}

pub(crate) fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths
}

pub(crate) fn config_failure<T: Debug>(result: Result<T, Failure>) -> String {
    failure(result, 64)
}

pub(crate) fn other_failure<T: Debug>(result: Result<T, Failure>) -> String {
    failure(result, 1)
}

fn failure<T: Debug>(result: Result<T, Failure>, code: u8) -> String {
    match result {
        Err(failure) if failure.exit_code() == code => failure.to_string(),
        other => panic!("expected a failure with code {code}, got {other:?}"),
    }
}
