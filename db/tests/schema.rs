//! The schema on a real PostgreSQL: migrations, the settings row, the users' queries. Each test has a database of its own.

mod common;
mod scratch;

use std::time::Duration;

use scratch::{Scratch, config};
use tape_db::{Pool, Reaction, migrate, settings};
use tape_service::{Failure, Shutdown};

type Row = (String, i64, Option<f64>, Option<f64>);

#[tokio::test]
async fn migrations_run_once_and_then_change_nothing() {
    let scratch = Scratch::new().await;
    let first = migrate(&scratch.config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!(first.applied.first().map(String::as_str), Some("V1__stock_aggregates"));
    assert_eq!(first.applied.len(), usize::try_from(first.version).unwrap());
    let before = scratch.schema().await;
    let second = migrate(&scratch.config, &Shutdown::new()).await.unwrap().unwrap();
    assert_eq!((second.applied.len(), second.version), (0, first.version));
    assert_eq!(scratch.schema().await, before);
}

#[tokio::test]
async fn every_file_may_run_again() {
    let scratch = Scratch::migrated().await;
    let before = scratch.schema().await;
    let folder = "../migrations";
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let sql = std::fs::read_to_string(&file).unwrap();
        scratch
            .connection()
            .await
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{file:?}: {error}"));
    }
    assert_eq!(scratch.schema().await, before);
}

#[tokio::test]
async fn two_migrations_at_once_are_one() {
    let scratch = Scratch::new().await;
    let shutdown = Shutdown::new();
    let (a, b) = tokio::join!(migrate(&scratch.config, &shutdown), migrate(&scratch.config, &shutdown));
    let mut applied = [a.unwrap().unwrap().applied.len(), b.unwrap().unwrap().applied.len()];
    applied.sort_unstable();
    assert_eq!(applied[0], 0);
    assert!(applied[1] >= 6);
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let scratch = Scratch::migrated().await;
    let update = "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2";
    scratch.connection().await.batch_execute(update).await.unwrap();
    let text = config_failure(migrate(&scratch.config, &Shutdown::new()).await);
    assert!(text.contains("V2__breakout_alerts"), "{text}");
}

#[tokio::test]
async fn the_settings_row_is_kept_while_rows_depend_on_it() {
    let scratch = Scratch::migrated().await;
    let pool = scratch.pool();
    let stored = settings::read(&pool.get().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((stored.slide.as_secs(), stored.window.as_secs()), (60, 300));
    settings::check(Some(stored), &scratch.config, &pool).unwrap();

    // Without rows another slide is simply written.
    let mut other = scratch.config.clone();
    other.processing.slide = Duration::from_millis(1_500);
    other.processing.window = Duration::from_secs(15);
    migrate(&other, &Shutdown::new()).await.unwrap();
    let stored = settings::read(&pool.get().await.unwrap()).await.unwrap();
    assert_eq!(stored, Some(settings::Settings::from(&other.processing)));
    let text = config_failure(settings::check(stored, &scratch.config, &pool));
    assert!(text.contains("SLIDE_DURATION is 60s") && text.contains("computed with 1.5s"), "{text}");

    // With rows it is refused, and nothing changes.
    scratch.aggregate("A", 0, 1, true).await;
    let text = config_failure(migrate(&scratch.config, &Shutdown::new()).await);
    assert!(text.contains("SLIDE_DURATION is 60s") && text.contains("DB_NAME"), "{text}");
    assert_eq!(settings::read(&pool.get().await.unwrap()).await.unwrap(), stored);
    migrate(&other, &Shutdown::new()).await.unwrap();
}

#[tokio::test]
async fn a_database_that_was_never_migrated_says_so() {
    let scratch = Scratch::new().await;
    let pool = scratch.pool();
    let stored = settings::read(&pool.get().await.unwrap()).await.unwrap();
    assert_eq!(stored, None);
    let text = config_failure(settings::check(stored, &scratch.config, &pool));
    assert!(text.contains("tape migrate"), "{text}");
}

#[tokio::test]
async fn what_waiting_cannot_mend_ends_the_migration() {
    let mut nowhere = config();
    nowhere.db.name = "tape_no_such_database".to_owned();
    let text = config_failure(migrate(&nowhere, &Shutdown::new()).await);
    assert!(text.contains("3D000") && text.contains("DB_NAME"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_until_the_stop() {
    let mut away = config();
    // Nobody listens on the discard port of loopback.
    (away.db.host, away.db.port) = ("127.0.0.1".to_owned(), 9);
    let shutdown = Shutdown::new();
    let pool = Pool::new(&away.db, "test").unwrap();
    let mut failures = 0;
    let waited = pool
        .wait(&shutdown, |error| {
            assert_eq!(error.reaction(), Reaction::Retry, "{error}");
            failures += 1;
            if failures == 3 {
                shutdown.request();
            }
        })
        .await;
    assert!(waited.unwrap().is_none());
    assert_eq!(failures, 3);
    assert_eq!(migrate(&away, &shutdown).await.unwrap(), None);
}

#[tokio::test]
async fn crosses_are_changes_of_side_between_final_windows_one_slide_apart() {
    let scratch = Scratch::migrated().await;
    // (symbol, minute, side, final): a cross needs the window one slide earlier, final and on the other side.
    for (symbol, minute, side, is_final) in [
        ("A", 0, -1, true),
        ("A", 1, 1, true),  // golden
        ("A", 2, 1, true),  // same side
        ("A", 3, -1, true), // death
        ("A", 4, 0, true),  // neutral
        ("A", 5, 1, true),  // from neutral: none
        ("A", 7, -1, true), // gap: none
        ("A", 8, 1, false), // open: none
        ("A", 9, -1, true), // before it is open: none
        ("B", 3, -1, true),
        ("B", 4, 1, true), // golden
        ("C", 3, 1, true), // first window: none
    ] {
        scratch.aggregate_side(symbol, minute, side, is_final).await;
    }
    let golden = "SELECT symbol, (extract(epoch FROM \"timestamp\") / 60)::bigint, current_price, window_avg \
                  FROM get_golden_crosses";
    let death = golden.replace("golden", "death");
    let expect = |symbol: &str, minute: i64| (symbol.to_owned(), minute + 5, Some(100.0), Some(99.0));
    assert_eq!(scratch.rows(&format!("{golden}(NULL, NULL)")).await, [expect("A", 1), expect("B", 4)]);
    assert_eq!(scratch.rows(&format!("{golden}()")).await, [expect("A", 1), expect("B", 4)]);
    assert_eq!(scratch.rows(&format!("{golden}('B')")).await, [expect("B", 4)]);
    assert_eq!(scratch.rows(&format!("{golden}('A', 24)")).await, Vec::<Row>::new());
    assert_eq!(scratch.rows(&format!("{death}(NULL, NULL)")).await, [expect("A", 3)]);

    // Windows that end now lie within the last hour, and not within the last zero hours.
    let now = scratch.now_minute().await;
    scratch.aggregate_side("D", now - 7, 1, true).await;
    scratch.aggregate_side("D", now - 6, -1, true).await;
    assert_eq!(scratch.rows(&format!("{death}(NULL, 1)")).await, [expect("D", now - 6)]);
    assert_eq!(scratch.rows(&format!("{death}(NULL, 0)")).await, Vec::<Row>::new());
}

#[tokio::test]
async fn latest_prices_are_one_row_for_each_symbol() {
    let scratch = Scratch::migrated().await;
    assert_eq!(scratch.latest().await, Vec::<(String, i64)>::new());
    for (symbol, minute) in [("B", 4), ("A", 1), ("A", 3), ("A", 2), ("a", 9), ("A-", 0)] {
        scratch.aggregate(symbol, minute, 1, minute != 3).await;
    }
    let expected =
        [("A", 3), ("A-", 0), ("B", 4), ("a", 9)].map(|(symbol, minute)| (symbol.to_owned(), minute));
    assert_eq!(scratch.latest().await, expected);
}

#[tokio::test]
async fn candles_are_sums_over_bars() {
    let scratch = Scratch::migrated().await;
    // Bars lie in the newest slide of a window: window minute m holds the bar of minute m + 4.
    for (minute, open, high, low, close, volume) in
        [(0, 10.0, 12.0, 9.0, 11.0, 2.0), (1, 11.0, 15.0, 11.0, 14.0, 1.0), (2, 14.0, 14.0, 8.0, 8.0, 5.0)]
    {
        scratch.bar("A", minute - 4, [open, high, low, close], volume).await;
    }
    scratch.aggregate("A", 3 - 4, 1, true).await; // an empty bar
    let candles = scratch.candles("SELECT * FROM get_price_history_by_interval('A', '2 minutes')").await;
    assert_eq!(
        candles,
        [
            (0, [10.0, 15.0, 9.0, 14.0], 3.0, 2, (2.0 * 11.0 + 14.0) / 3.0),
            (2, [14.0, 14.0, 8.0, 8.0], 5.0, 1, 8.0)
        ]
    );
    let bounded = "SELECT * FROM get_price_history_by_interval('A', '1 minute', 'epoch'::timestamptz + interval '1 min', \
                   'epoch'::timestamptz + interval '2 min')";
    assert_eq!(scratch.candles(bounded).await, [(1, [11.0, 15.0, 11.0, 14.0], 1.0, 1, 14.0)]);
    let history = "SELECT count(*) FROM get_price_history('A', 'epoch'::timestamptz - interval '4 min', \
                   'epoch'::timestamptz - interval '2 min')";
    assert_eq!(scratch.connection().await.query_one(history, &[]).await.unwrap().get::<_, i64>(0), 2);
    for wrong in ["90 seconds", "0", "-1 minute"] {
        let sql = format!("SELECT * FROM get_price_history_by_interval('A', '{wrong}')");
        let error = tape_db::Error::from(scratch.connection().await.query(&sql, &[]).await.unwrap_err());
        assert_eq!(error.sqlstate(), Some("22023"), "{wrong}: {error}");
        assert!(error.to_string().contains("multiple of the slide"), "{error}");
    }
}

#[tokio::test]
async fn columns_say_their_units() {
    let scratch = Scratch::migrated().await;
    let silent = "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
                  WHERE c.relname IN ('stock_aggregates', 'breakout_alerts', 'settings', 'sink_offsets') \
                  AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL";
    let rows = scratch.connection().await.query(silent, &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "columns without a comment: {names:?}");
}

#[tokio::test]
async fn keys_hold_the_time_column() {
    let scratch = Scratch::migrated().await;
    for (table, time) in [("stock_aggregates", "window_start"), ("breakout_alerts", "timestamp")] {
        let keys = "SELECT count(*) FROM pg_index i WHERE i.indrelid = $1::text::regclass AND i.indisunique \
                    AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid \
                    AND a.attnum = ANY (i.indkey) AND a.attname = $2)";
        let row = scratch.connection().await.query_one(keys, &[&table, &time]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0, "a unique key of {table} without {time} forbids a hypertable");
    }
}

#[tokio::test]
async fn roles_that_exist_get_their_rights() {
    let scratch = Scratch::new().await;
    let roles = "DO $$ DECLARE name text; BEGIN FOREACH name IN ARRAY ARRAY['tape_writer', 'tape_reader'] LOOP \
                 BEGIN EXECUTE 'CREATE ROLE ' || name; EXCEPTION WHEN duplicate_object OR unique_violation THEN END; \
                 END LOOP; END $$";
    scratch.connection().await.batch_execute(roles).await.unwrap();
    migrate(&scratch.config, &Shutdown::new()).await.unwrap();
    let rights = "SELECT string_agg(right_name, ' ' ORDER BY right_name) FROM \
                  unnest(ARRAY['DELETE', 'INSERT', 'SELECT', 'UPDATE']) AS right_name \
                  WHERE has_table_privilege($1::text, $2::text, right_name)";
    for (role, table, expected) in [
        ("tape_writer", "stock_aggregates", Some("INSERT SELECT UPDATE")),
        ("tape_writer", "sink_offsets", Some("INSERT SELECT UPDATE")),
        ("tape_writer", "settings", Some("SELECT")),
        ("tape_reader", "stock_aggregates", Some("SELECT")),
        ("tape_reader", "latest_prices", Some("SELECT")),
        ("tape_reader", "refinery_schema_history", None),
    ] {
        let row = scratch.connection().await.query_one(rights, &[&role, &table]).await.unwrap();
        assert_eq!(row.get::<_, Option<&str>>(0), expected, "{role} on {table}");
    }
}

#[tokio::test]
async fn errors_name_sqlstate_and_remedy() {
    let scratch = Scratch::migrated().await;
    let check = async |setting: &str, sql: &str, reaction: Reaction, words: [&str; 2]| {
        let connection = scratch.connection().await;
        connection.batch_execute(setting).await.unwrap();
        let error = tape_db::Error::from(connection.batch_execute(sql).await.unwrap_err());
        assert_eq!(error.reaction(), reaction, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(!error.to_string().contains('\n'));
    };
    check("", "SELECT * FROM nothing", Reaction::Config, ["42P01", "tape migrate"]).await;
    check("", "SELECT 1 / 0", Reaction::Data, ["22012", "division"]).await;
    let negative = "INSERT INTO sink_offsets VALUES ('g', 't', -1, 0)";
    check("", negative, Reaction::Data, ["23514", "constraint sink_offsets_partition_valid"]).await;
    check("SET statement_timeout = 10", "SELECT pg_sleep(5)", Reaction::Retry, ["57014", "timeout"]).await;
    check(
        "SET default_transaction_read_only = on",
        "CREATE TABLE t ()",
        Reaction::Retry,
        ["25006", "primary"],
    )
    .await;
}

fn config_failure<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    match result {
        Err(failure @ Failure::Config(_)) => {
            assert_eq!(failure.exit_code(), 64);
            failure.to_string()
        }
        other => panic!("expected a configuration failure, got {other:?}"),
    }
}
