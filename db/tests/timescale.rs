//! The layout of TimescaleDB with its own licence, on the one that `deploy/local/timescale.sh` starts: version 2.23 in an engine
//! that serves one connection at a time and has no background workers, so no policy ever runs by itself.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod scratch;

use std::time::Duration;

use tape_db::layout::Edition;
use tape_db::{Connection, Pool, maintain, migrate, schema};
use tape_service::{Config, Failure, Secret, Shutdown};

const VIEWS: [(&str, &str); 3] =
    [("stock_5min_agg", "5 minutes"), ("stock_15min_agg", "15 minutes"), ("stock_1hour_agg", "1 hour")];

/// Bars of four symbols over twenty days, with gaps, deterministic in all but the time they start at.
const ROWS: &str = "\
    INSERT INTO stock_aggregates (symbol, window_start, window_end, total_volume, trade_count, side, bar_open, bar_high, bar_low, \
        bar_close, bar_volume, bar_trades, bar_notional, bar_notional_size, is_final, revision) \
    SELECT 'S' || s, t, t + interval '5 minutes', 1, 1, 0, 100 + h % 17, 120 + h % 19, 80 - h % 23, \
        CASE WHEN h % 9 > 0 THEN 100 + h % 13 END, h % 11, h % 5, (h % 1001) * 1.25, h % 11, true, 1 \
    FROM generate_series(1, 4) s, \
        generate_series(date_trunc('hour', now()) - interval '20 days', now(), interval '1 minute') t, \
        LATERAL (SELECT abs(hashint8(extract(epoch FROM t)::bigint * 7 + s)::bigint) AS h) x \
    WHERE h % 7 > 2 AND (extract(epoch FROM t)::bigint / 3600 % 29 = 0 OR t > now() - interval '3 hours')";

/// As the sink writes: new rows, and changed ones of a higher revision, ten days back.
const LATE: &str = "\
    INSERT INTO stock_aggregates AS t (symbol, window_start, window_end, total_volume, trade_count, side, bar_open, bar_high, \
        bar_low, bar_close, bar_volume, bar_trades, bar_notional, bar_notional_size, is_final, revision) \
    SELECT symbol, at, at + interval '5 minutes', 1, 1, 0, 5, 900, 4, 6, 1, 1, 6, 1, true, $1 \
    FROM (SELECT min(window_start) AS first FROM stock_aggregates WHERE window_start > now() - interval '12 days') x, \
        unnest(ARRAY['S1', 'S3', 'NEW']) symbol, generate_series(first, first + interval '90 minutes', interval '1 minute') at \
    ON CONFLICT (symbol, window_start) DO UPDATE SET bar_high = excluded.bar_high, bar_close = excluded.bar_close, \
        bar_volume = t.bar_volume + 10, bar_trades = t.bar_trades + 1, revision = excluded.revision \
    WHERE (excluded.is_final, excluded.revision) > (t.is_final, t.revision)";

/// All that `tape migrate` makes: what is not the extension's own.
const OBJECTS: &str = "\
    SELECT c.relname::text || ' ' || coalesce(obj_description(c.oid, 'pg_class'), '') || coalesce(pg_get_viewdef(c.oid), '') \
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace \
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace \
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') \
    UNION ALL SELECT concat_ws(' ', proc_name, hypertable_name, schedule_interval, config - 'hypertable_id' - 'mat_hypertable_id') \
    FROM timescaledb_information.jobs WHERE job_id >= 1000 \
    UNION ALL SELECT concat_ws(' ', hypertable_name, column_name, time_interval) FROM timescaledb_information.dimensions \
    ORDER BY 1";

/// The test's configuration, with this server for the database. It lets anybody in who sends some password.
fn config() -> Config {
    let mut config = scratch::config();
    let port =
        std::env::var("TIMESCALE_PORT").expect("TIMESCALE_PORT is not set: run it through `make test`");
    config.db.host = "127.0.0.1".to_owned();
    config.db.port = port.parse().expect("TIMESCALE_PORT is a port");
    config.db.password = Some(Secret::new("any"));
    config.db.pool_max = 1;
    // A connection that waits for the last one to end.
    config.db.connect_timeout = Duration::from_secs(60);
    config
}

/// A connection, for one step: the next one is served when it is gone.
async fn connection(config: &Config) -> Connection {
    Pool::new(&config.db, "test").unwrap().get().await.unwrap()
}

async fn texts(config: &Config, sql: &str) -> Vec<String> {
    let rows = connection(config).await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn execute(config: &Config, sql: &str) {
    connection(config).await.batch_execute(sql).await.unwrap();
}

async fn late_rows(config: &Config, revision: i64) {
    assert!(connection(config).await.execute(LATE, &[&revision]).await.unwrap() > 100);
}

/// How many buckets differ from the sums over the rows, and how many there are.
async fn differences(config: &Config) -> [(i64, i64); 3] {
    let connection = connection(config).await;
    let mut found = [(0, 0); 3];
    for ((view, width), found) in VIEWS.into_iter().zip(&mut found) {
        let sql = format!(
            "WITH truth AS ( \
                 SELECT date_bin('{width}', a.window_end - s.slide_duration, 'epoch'::timestamptz), a.symbol, \
                     (array_agg(a.bar_open ORDER BY a.window_start) FILTER (WHERE a.bar_open IS NOT NULL))[1], \
                     max(a.bar_high), min(a.bar_low), \
                     (array_agg(a.bar_close ORDER BY a.window_start DESC) FILTER (WHERE a.bar_close IS NOT NULL))[1], \
                     sum(a.bar_notional)::double precision / nullif(sum(a.bar_notional_size), 0), sum(a.bar_volume), \
                     sum(a.bar_trades)::bigint \
                 FROM settings s, stock_aggregates a WHERE a.bar_trades > 0 GROUP BY 1, 2) \
             SELECT count(*), (SELECT count(*) FROM {view}) \
             FROM ((TABLE {view} EXCEPT TABLE truth) UNION ALL (TABLE truth EXCEPT TABLE {view})) x"
        );
        let row = connection.query_one(&sql, &[]).await.unwrap();
        *found = (row.get(0), row.get(1));
    }
    found
}

async fn assert_exact(config: &Config) {
    for (differing, count) in differences(config).await {
        assert_eq!(differing, 0);
        assert!(count > 50, "{count} buckets");
    }
}

async fn run_maintain(config: &Config) -> Vec<(&'static str, String)> {
    let steps = std::cell::RefCell::new(Vec::new());
    let inventory = maintain::maintain(config, false, &Shutdown::new(), |step| {
        steps.borrow_mut().push((step.what, step.subject.clone()));
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(inventory.server.edition, Edition::Timescale);
    assert_eq!(inventory.tables[0].name, "stock_aggregates");
    assert!(inventory.tables[0].rows > 1_000 && inventory.tables[0].bytes > 100_000, "{inventory:?}");
    steps.into_inner()
}

async fn down(config: &Config) {
    migrate::down(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(texts(config, OBJECTS).await, Vec::<String>::new());
}

/// One test: there is one database, and one connection to it. Migrations wait for a database that is away: not for ever here.
#[tokio::test]
async fn timescale_from_empty_to_empty() {
    let config = config();
    tokio::time::timeout(Duration::from_secs(120), from_empty_to_empty(&config)).await.unwrap();
}

async fn from_empty_to_empty(config: &Config) {
    // What an earlier run left.
    down(config).await;
    migrations_change_nothing_the_second_time(config).await;
    other_windows_make_other_aggregates(config).await;
    every_policy_may_be_left_out(config).await;
    roll_ups_are_sums_over_rows(config).await;
    compressed_rows_may_be_changed(config).await;
    down(config).await;
    tables_from_before_become_hypertables(config).await;
    down(config).await;
}

async fn migrations_change_nothing_the_second_time(config: &Config) {
    let first = migrate(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(first.server.edition, Edition::Timescale);
    assert_eq!(first.applied.len(), usize::try_from(first.version).unwrap());
    let before = texts(config, OBJECTS).await;
    for policy in ["policy_compression", "policy_retention", "policy_refresh_continuous_aggregate"] {
        assert!(before.iter().any(|line| line.starts_with(policy)), "no {policy}: {before:#?}");
    }
    let second = migrate(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!((second.applied.len(), second.version, &second.server), (0, first.version, &first.server));
    assert_eq!(texts(config, OBJECTS).await, before);
    let status = migrate::status(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!((status.version, status.newest), (first.version, schema::newest()));
    assert_eq!((status.pending.len(), status.changed.len(), status.server), (0, 0, first.server));
}

async fn other_windows_make_other_aggregates(config: &Config) {
    let before = views(config).await;
    let mut other = config.clone();
    other.processing.slide = Duration::from_millis(1_500);
    other.processing.window = Duration::from_secs(15);
    migrate(&other, &Shutdown::new()).await.unwrap().unwrap();
    let [made, shown] = views(&other).await;
    assert!(made.iter().all(|line| line.contains("\"offset\" => '-00:00:13.5'")), "{made:#?}");
    assert!(shown.iter().all(|line| line.contains("(shifted + '00:00:13.5'")), "{shown:#?}");
    migrate(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(views(config).await, before);
}

/// What the aggregates are made from, and the views in front of them.
async fn views(config: &Config) -> [Vec<String>; 2] {
    let made = "SELECT view_definition FROM timescaledb_information.continuous_aggregates ORDER BY view_name";
    let shown = "SELECT definition FROM pg_views WHERE viewname LIKE 'stock\\_%\\_agg' ORDER BY viewname";
    let found = [texts(config, made).await, texts(config, shown).await];
    assert!(found.iter().all(|lines| lines.len() == VIEWS.len()), "{found:#?}");
    found
}

async fn every_policy_may_be_left_out(config: &Config) {
    let before = texts(config, OBJECTS).await;
    let mut never = config.clone();
    never.db.compress_after = Duration::ZERO;
    never.db.retention = Duration::ZERO;
    never.db.rollup_retention = Duration::ZERO;
    migrate(&never, &Shutdown::new()).await.unwrap().unwrap();
    let mut policies = texts(&never, OBJECTS).await;
    policies.retain(|line| line.starts_with("policy_"));
    assert_eq!(policies.len(), 3, "{policies:#?}");
    assert!(policies.iter().all(|line| line.contains("\"start_offset\": null")), "{policies:#?}");

    // Rows that are gone before an hour of them is rolled up.
    let mut short = config.clone();
    short.db.retention = Duration::from_secs(3_600);
    match migrate(&short, &Shutdown::new()).await {
        Err(Failure::Config(text)) => assert!(text.contains("DB_RETENTION"), "{text}"),
        other => panic!("expected a configuration failure, got {other:?}"),
    }
    migrate(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(texts(config, OBJECTS).await, before);
}

async fn roll_ups_are_sums_over_rows(config: &Config) {
    execute(config, ROWS).await;
    assert_exact(config).await;
    let steps = run_maintain(config).await;
    for subject in ["stock_5min_bars", "stock_15min_bars", "stock_1hour_bars"] {
        assert!(steps.contains(&("refreshed", subject.to_owned())), "{steps:?}");
    }
    assert_exact(config).await;

    // A change of what was rolled up shows with the next refresh: until then the old sums are read, so they were kept.
    late_rows(config, 2).await;
    assert!(differences(config).await.iter().all(|(differing, _)| *differing > 0));
    run_maintain(config).await;
    assert_exact(config).await;

    let mut never = config.clone();
    never.db.retention = Duration::ZERO;
    late_rows(&never, 3).await;
    run_maintain(&never).await;
    assert_exact(&never).await;
}

async fn compressed_rows_may_be_changed(config: &Config) {
    let compress = "SELECT compress_chunk(c)::text FROM show_chunks('stock_aggregates', older_than => now() - interval '7 days') c";
    assert!(texts(config, compress).await.len() > 1);
    assert_exact(config).await;
    let before = texts(config, OBJECTS).await;
    migrate(config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(texts(config, OBJECTS).await, before);
    late_rows(config, 4).await;
    run_maintain(config).await;
    assert_exact(config).await;
}

/// As an earlier version left it: the numbered files have run, the tables are flat and hold rows.
async fn tables_from_before_become_hypertables(config: &Config) {
    for file in ["V001__stock_aggregates", "V002__breakout_alerts"] {
        let path = format!("../migrations/{file}.sql");
        execute(config, &std::fs::read_to_string(path).unwrap()).await;
    }
    execute(config, ROWS).await;
    migrate(config, &Shutdown::new()).await.unwrap().unwrap();
    let left = texts(config, "SELECT symbol FROM ONLY stock_aggregates").await;
    assert_eq!(left.len(), 0, "rows that lie in no chunk");
    assert_exact(config).await;
    run_maintain(config).await;
    assert_exact(config).await;
}
