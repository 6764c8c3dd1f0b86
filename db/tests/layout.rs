//! The layout on plain PostgreSQL: partitions, roll-ups, retention, rights, and everything down again.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;
mod scratch;

use std::time::Duration;

use scratch::Scratch;
use tape_db::layout::Edition;
use tape_db::maintain::{Step, maintain};
use tape_db::{migrate, schema};
use tape_service::Shutdown;

/// Views and the length of their buckets, minutes.
const VIEWS: [(&str, i64); 3] = [("stock_5min_agg", 5), ("stock_15min_agg", 15), ("stock_1hour_agg", 60)];

impl Scratch {
    async fn number(&self, sql: &str) -> i64 {
        self.connection().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn execute(&self, sql: &str) {
        self.connection().await.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Everything that maintenance has to do; what each step counted.
    async fn maintained(&self) -> Vec<(String, Option<i64>)> {
        let steps = std::sync::Mutex::new(Vec::new());
        let hear =
            |step: &Step| steps.lock().unwrap().push((format!("{} {}", step.subject, step.what), step.count));
        maintain(&self.config, false, &Shutdown::new(), hear).await.unwrap().unwrap();
        steps.into_inner().unwrap()
    }

    /// Bars of `symbols` symbols in each of these minutes before now, as the sink writes them: rows and marks.
    async fn bars(&self, symbols: i32, minutes: std::ops::Range<i32>) {
        let sql = format!(
            "INSERT INTO stock_aggregates AS t (symbol, window_start, window_end, total_volume, trade_count, side, bar_open, \
                 bar_high, bar_low, bar_close, bar_volume, bar_trades, bar_notional, bar_notional_size, is_final, revision) \
             SELECT 'S' || s, e.ends - interval '5 minutes', e.ends, 7, 1, 0, 100 + m % 7, 110 + m % 11, 90 - m % 5, \
                 100 + (m + s) % 13, 1 + m % 4, 1 + m % 3, (100 + m % 9) * (1 + m % 4), 1 + m % 4, true, \
                 1 + (SELECT coalesce(max(revision), 0) FROM stock_aggregates) \
             FROM generate_series(1, {symbols}) s, generate_series({}, {}) m, \
                 LATERAL (SELECT date_trunc('minute', now()) - make_interval(mins => m) AS ends) e \
             WHERE (m + s) % 10 <> 0 \
             ON CONFLICT (symbol, window_start) DO UPDATE SET bar_close = excluded.bar_close + 1, \
                 bar_volume = t.bar_volume + 1, bar_notional = t.bar_notional + 3, bar_notional_size = t.bar_notional_size + 1; \
             INSERT INTO rollup_stale (hour, writer) SELECT DISTINCT date_bin('1 hour', window_end - interval '1 minute', \
                 'epoch'::timestamptz), pg_backend_pid() FROM stock_aggregates WHERE window_end BETWEEN \
                 date_trunc('minute', now()) - make_interval(mins => {}) AND date_trunc('minute', now()) - make_interval(mins => {}) \
             ON CONFLICT (hour, writer) DO UPDATE SET marked_at = now()",
            minutes.start,
            minutes.end - 1,
            minutes.end - 1,
            minutes.start,
        );
        self.execute(&sql).await;
    }

    /// Buckets in which a view and the sums straight from the rows differ.
    async fn differences(&self) -> i64 {
        let mut sum = 0;
        for (view, minutes) in VIEWS {
            let truth = format!(
                "SELECT date_bin('{minutes} minutes', window_end - interval '1 minute', 'epoch'::timestamptz) AS bucket, symbol, \
                     (array_agg(bar_open ORDER BY window_start))[1] AS open_price, max(bar_high) AS max_price, \
                     min(bar_low) AS min_price, (array_agg(bar_close ORDER BY window_start DESC))[1] AS close_price, \
                     sum(bar_notional)::double precision / sum(bar_notional_size) AS avg_price, \
                     sum(bar_volume) AS total_volume, sum(bar_trades)::bigint AS trade_count \
                 FROM stock_aggregates WHERE bar_trades > 0 GROUP BY 1, 2"
            );
            let sql = format!(
                "SELECT (SELECT count(*) FROM (({truth}) EXCEPT SELECT * FROM {view}) a) \
                      + (SELECT count(*) FROM (SELECT * FROM {view} EXCEPT ({truth})) b)"
            );
            sum += self.number(&sql).await;
        }
        sum
    }
}

#[tokio::test]
async fn a_table_with_rows_becomes_partitioned_as_it_stands() {
    let scratch = Scratch::new().await;
    let folder = "../migrations";
    for file in [
        "V001__stock_aggregates.sql",
        "V002__breakout_alerts.sql",
        "V003__settings.sql",
        "V004__sink_offsets.sql",
        "V005__queries.sql",
    ] {
        scratch.execute(&std::fs::read_to_string(format!("{folder}/{file}")).unwrap()).await;
    }
    for minute in 0..50 {
        scratch.aggregate("A", minute, 1, true).await;
    }
    let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = 'stock_aggregates'";
    let before = scratch.number(indexes).await;
    let report = migrate(&scratch.config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!((report.server.edition, report.server.timescale), (Edition::Plain, None));
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates").await, 50);
    assert_eq!(scratch.number("SELECT count(*) FROM ONLY stock_aggregates_before").await, 50);
    assert_eq!(scratch.number(indexes).await, before);
    assert_eq!(scratch.latest().await, [("A".to_owned(), 49)]);
    assert_eq!(scratch.number("SELECT count(*) FROM rollup_stale").await, 0, "no bars, nothing to roll up");
}

#[tokio::test]
async fn partitions_are_made_ahead_and_rows_find_theirs() {
    let scratch = Scratch::migrated().await;
    let parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'stock_aggregates'::regclass";
    let made = scratch.number(parts).await;
    assert!(made >= 5, "{made} partitions");
    // Beyond what is made ahead: the row waits in the default partition until its own is made.
    let now = scratch.now_minute().await;
    let weeks = |count: i64| now + count * 7 * 24 * 60;
    for (symbol, minute) in [("PAST", weeks(-3)), ("NOW", now), ("AHEAD", weeks(2)), ("FAR", weeks(6))] {
        scratch.aggregate(symbol, minute, 1, true).await;
    }
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates_default").await, 1);
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates_before").await, 2);
    scratch
        .execute("SELECT tape_make_partitions('stock_aggregates', 'window_start', '7 days', now() + interval '50 days')")
        .await;
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates_default").await, 0);
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates").await, 4);
    // Every partition takes upserts under the same key.
    scratch
        .execute(
            "INSERT INTO stock_aggregates SELECT * FROM stock_aggregates ON CONFLICT (symbol, window_start) DO UPDATE \
             SET revision = 2",
        )
        .await;
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates WHERE revision = 2").await, 4);
}

#[tokio::test]
async fn roll_ups_equal_the_rows_before_and_after_maintenance_and_after_late_rows() {
    let scratch = Scratch::migrated().await;
    assert_eq!(scratch.differences().await, 0);
    scratch.bars(7, 0..400).await;
    assert_eq!(scratch.differences().await, 0, "nothing is rolled up yet");
    let steps = scratch.maintained().await;
    let hours = steps.iter().find(|(what, _)| what == "bar_rollups rolled up hours").unwrap().1.unwrap();
    assert!((5..=7).contains(&hours), "{steps:?}");
    assert!(scratch.number("SELECT count(*) FROM bar_rollups").await > 0);
    assert_eq!(scratch.differences().await, 0, "rolled up");
    let open = scratch.number("SELECT count(DISTINCT hour) FROM rollup_stale").await;
    assert!((1..=2).contains(&open), "the hour that is still written to is left: {open}");
    // Late rows change hours that were rolled up, and add a symbol.
    scratch.bars(9, 200..260).await;
    assert_eq!(scratch.differences().await, 0, "late rows show at once");
    scratch.maintained().await;
    assert_eq!(scratch.differences().await, 0, "and after the next maintenance");
    let left = scratch.number("SELECT count(DISTINCT hour) FROM rollup_stale").await;
    assert!(left <= open, "{left} hours are left, before {open}");
}

#[tokio::test]
async fn a_mark_of_an_open_transaction_outlives_a_roll_up() {
    let scratch = Scratch::migrated().await;
    scratch.bars(2, 180..240).await;
    let writer = scratch.connection().await;
    let mark = "INSERT INTO rollup_stale (hour, writer) SELECT hour, pg_backend_pid() FROM (SELECT min(hour) AS hour FROM \
                rollup_stale) m ON CONFLICT (hour, writer) DO UPDATE SET marked_at = now()";
    writer.batch_execute("BEGIN").await.unwrap();
    writer.batch_execute(mark).await.unwrap();
    writer.batch_execute("UPDATE stock_aggregates SET bar_volume = bar_volume + 100").await.unwrap();
    // The roll-up does not see the writer's rows, and does not take its mark away.
    scratch.maintained().await;
    writer.batch_execute("COMMIT").await.unwrap();
    assert_eq!(scratch.number("SELECT count(*) FROM rollup_stale").await, 1);
    scratch.execute("INSERT INTO rollup_stale SELECT DISTINCT date_bin('1 hour', bucket, 'epoch'::timestamptz), 0 FROM bar_rollups").await;
    assert_eq!(scratch.differences().await, 0);
}

#[tokio::test]
async fn what_is_older_than_the_retention_goes_and_its_roll_ups_stay() {
    let mut scratch = Scratch::migrated().await;
    scratch.bars(3, 0..120).await;
    scratch.bars(3, 50_000..50_120).await; // 34 days ago
    let now = scratch.now_minute().await;
    scratch.execute(&format!("INSERT INTO breakout_alerts (symbol, \"timestamp\", signal, type) SELECT 'A', to_timestamp({now} * 60) \
                              - make_interval(days => d), 'BULLISH', 'breakout' FROM generate_series(0, 99) d")).await;
    let old = "SELECT count(*) FROM stock_aggregates WHERE window_start < now() - interval '30 days'";
    assert!(scratch.number(old).await > 0);
    let buckets = "SELECT count(*) FROM stock_1hour_agg WHERE bucket < now() - interval '30 days'";
    let shown = scratch.number(buckets).await;
    scratch.config.db.retention = Duration::ZERO;
    scratch.maintained().await;
    assert!(scratch.number(old).await > 0, "no retention, nothing goes");
    scratch.config.db.retention = Duration::from_secs(30 * 86_400);
    let steps = scratch.maintained().await;
    assert_eq!(scratch.number(old).await, 0, "{steps:?}");
    assert_eq!(scratch.number(buckets).await, shown, "roll-ups are kept longer than rows");
    assert_eq!(scratch.number("SELECT count(*) FROM breakout_alerts").await, 30);
    // A straggler of an hour whose rows are gone does not replace the roll-up by what little is left.
    let sum = "SELECT sum(trade_count)::bigint FROM stock_1hour_agg";
    let trades = scratch.number(sum).await;
    scratch.bars(1, 50_010..50_011).await;
    scratch.maintained().await;
    assert_eq!(scratch.number(sum).await, trades);
    scratch.config.db.rollup_retention = Duration::from_secs(31 * 86_400);
    scratch.maintained().await;
    assert_eq!(scratch.number(buckets).await, 0);
}

#[tokio::test]
async fn readers_may_ask_everything_and_write_nothing() {
    let scratch = Scratch::new().await;
    scratch.execute("DO $$ DECLARE name text; BEGIN FOREACH name IN ARRAY ARRAY['tape_writer', 'tape_reader'] LOOP \
                     BEGIN EXECUTE 'CREATE ROLE ' || name; EXCEPTION WHEN duplicate_object OR unique_violation THEN END; \
                     END LOOP; END $$").await;
    migrate(&scratch.config, &Shutdown::new()).await.unwrap();
    scratch.bars(2, 0..200).await;
    scratch.maintained().await;
    scratch.execute("GRANT tape_reader TO current_user").await;
    let connection = scratch.connection().await;
    connection.batch_execute("SET ROLE tape_reader").await.unwrap();
    for sql in [
        "SELECT * FROM stock_5min_agg",
        "SELECT * FROM stock_1hour_agg WHERE symbol = 'S1'",
        "SELECT * FROM latest_prices",
        "SELECT * FROM get_golden_crosses('S1', 24)",
        "SELECT * FROM get_price_history_by_interval('S1', '15 minutes')",
    ] {
        connection.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    for sql in ["DELETE FROM stock_aggregates", "SELECT refresh_rollups(now())", "TRUNCATE bar_rollups"] {
        let error = tape_db::Error::from(connection.batch_execute(sql).await.unwrap_err());
        assert_eq!(error.sqlstate(), Some("42501"), "{sql}");
    }
}

#[tokio::test]
async fn down_leaves_nothing_and_up_is_as_before() {
    let scratch = Scratch::migrated().await;
    scratch.bars(2, 0..100).await;
    let schema_of = async || {
        let mut schema = scratch.schema().await;
        schema.retain(|line| !line.starts_with("(t,")); // the settings row, with the time of its writing
        schema
    };
    let before = schema_of().await;
    let objects = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace) \
                   + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)";
    let status = async || migrate::status(&scratch.config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!((status().await.version, status().await.pending.len()), (schema::newest(), 0));
    migrate::down(&scratch.config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(scratch.number(objects).await, 0);
    let empty = status().await;
    assert_eq!((empty.version, empty.pending.len()), (0, usize::try_from(schema::newest()).unwrap()));
    migrate::down(&scratch.config, &Shutdown::new()).await.unwrap().unwrap();
    migrate(&scratch.config, &Shutdown::new()).await.unwrap();
    assert!(schema_of().await == before, "the schema is another one after down and up");
    assert_eq!(scratch.number("SELECT count(*) FROM stock_aggregates").await, 0);
}
