//! The boards and rules of `grafana/` on a real PostgreSQL that holds a day: every query runs as Grafana's role, gives rows of the
//! right shape and reads no big table as a whole; rules fire on what has happened, and on nothing else.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod boards;
mod scratch;

use std::time::SystemTime;

use boards::{BOARDS, Query, Rule, Scope, Shape, board, list, queries, rules};
use scratch::Scratch;
use serde_json::Value;
use tape_db::{Connection, Row};
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryMessage};

/// The rows of a day.
const DAY: &str = include_str!("day.sql");
const GRANTS: &str = include_str!("../../migrations/layout/grants.sql");
/// Grafana's role, which the tests take on. Roles belong to the server: of two tests that make it at once, one finds it there.
const READER: &str = "DO $$ BEGIN \
    BEGIN CREATE ROLE tape_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN END; \
    BEGIN EXECUTE 'GRANT tape_reader TO ' || quote_ident(current_user); EXCEPTION WHEN internal_error THEN END; \
    END $$";
/// What autovacuum does after a while.
const ANALYZE: &str = "ANALYZE stock_aggregates; ANALYZE breakout_alerts; ANALYZE bar_rollups";
/// Tables that are never read as a whole; partitions have longer names.
const BIG: [&str; 3] = ["stock_aggregates", "breakout_alerts", "bar_rollups"];
/// Choices of `$timerange`, with their length in seconds, and of `$interval`.
const RANGES: [(&str, f64); 4] = [("1h", 3_600.0), ("6h", 21_600.0), ("24h", 86_400.0), ("7d", 604_800.0)];
const INTERVALS: [&str; 4] = ["1m", "5m", "15m", "1h"];

/// A database in which Grafana may read.
async fn migrated() -> Scratch {
    let scratch = Scratch::migrated().await;
    // The role may be new.
    scratch.connection().await.batch_execute(&format!("{READER}; {GRANTS}")).await.unwrap();
    scratch
}

/// A connection with Grafana's rights.
async fn reader(scratch: &Scratch) -> Connection {
    let connection = scratch.connection().await;
    connection.batch_execute("SET ROLE tape_reader").await.unwrap();
    connection
}

/// A day of so many symbols, rolled up as `tape maintain` does it.
async fn day(symbols: u32) -> Scratch {
    let scratch = migrated().await;
    let connection = scratch.connection().await;
    connection.batch_execute(&format!("SET tape.symbols = '{symbols}'")).await.unwrap();
    connection.batch_execute(&format!("BEGIN; {DAY} COMMIT; {ANALYZE}")).await.unwrap();
    let over = "SELECT DISTINCT hour::text FROM rollup_stale \
                WHERE hour < date_bin('1 hour', now(), 'epoch'::timestamptz)";
    for row in connection.query(over, &[]).await.unwrap() {
        let hour: String = row.get(0);
        connection.query("SELECT refresh_rollups($1::text::timestamptz)", &[&hour]).await.unwrap();
    }
    connection.batch_execute(ANALYZE).await.unwrap();
    scratch
}

/// So many seconds ago, as Grafana writes it.
async fn ago(connection: &Connection, seconds: f64) -> String {
    let sql = "SELECT to_char((now() - make_interval(secs => $1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    connection.query_one(sql, &[&seconds]).await.unwrap().get(0)
}

#[tokio::test]
async fn queries_of_the_boards_give_rows_of_the_right_shape() {
    let scratch = day(50).await;
    let connection = reader(&scratch).await;
    let to = ago(&connection, 0.0).await;
    for query in BOARDS.iter().flat_map(|name| queries(&board(name))) {
        for (range, seconds) in RANGES {
            let from = ago(&connection, seconds).await;
            for interval in INTERVALS {
                let symbols = ["S0007", "S0023"];
                let scope = Scope { from: &from, to: &to, symbols: &symbols, range, interval };
                let rows = ask(&connection, &query, &scope).await.len();
                // Some hours have no alert of a type.
                assert!(rows > 0 || seconds < 86_400.0, "no row: {} {scope:?}", query.name);
                check_plan(&connection, &query, &scope).await;
                if !query.sql.contains("${interval") {
                    break;
                }
            }
        }
    }
    for rule in rules() {
        let from = ago(&connection, rule.seconds).await;
        let scope = Scope { from: &from, to: &to, symbols: &[], range: "", interval: "" };
        check_plan(&connection, &query_of(&rule), &scope).await;
    }
}

fn query_of(rule: &Rule) -> Query {
    Query { name: rule.title.clone(), shape: Shape::Series, sql: rule.sql.clone() }
}

/// Runs a query, whose rows must have the right shape.
async fn ask(connection: &Connection, query: &Query, scope: &Scope<'_>) -> Vec<Row> {
    let sql = scope.expand(&query.sql);
    let what = format!("{} {scope:?}", query.name);
    let statement = connection.prepare(&sql).await.unwrap_or_else(|error| panic!("{what}: {error:?}\n{sql}"));
    check_columns(query, statement.columns());
    let rows = connection.query(&statement, &[]).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    if query.shape == Shape::Series {
        let times: Vec<SystemTime> = rows.iter().map(|row| row.get(0)).collect();
        assert!(times.is_sorted(), "not in order of time: {what}");
    }
    rows
}

fn check_columns(query: &Query, columns: &[Column]) {
    let found: Vec<_> = columns.iter().map(|column| (column.name(), column.type_().clone())).collect();
    let is_number = |kind: &Type| [Type::FLOAT8, Type::INT8, Type::INT4, Type::INT2].contains(kind);
    let is_right = match query.shape {
        Shape::Series => {
            let rest = found.get(1..).unwrap_or_default();
            found.first() == Some(&("time", Type::TIMESTAMPTZ))
                && rest.iter().any(|(_, kind)| is_number(kind))
                && rest.iter().all(|(_, kind)| is_number(kind) || *kind == Type::TEXT)
        }
        Shape::Table => {
            found.iter().all(|(_, kind)| is_number(kind) || [Type::TEXT, Type::TIMESTAMPTZ].contains(kind))
        }
        Shape::Annotations => {
            found == [("time", Type::TIMESTAMPTZ), ("text", Type::TEXT), ("tags", Type::TEXT)]
        }
        Shape::Options => found.len() == 1 && found[0].1 == Type::TEXT,
    };
    assert!(is_right, "{} ({:?}) has {found:?}", query.name, query.shape);
    if query.name == "Breakout alerts" {
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["timestamp", "symbol", "type", "signal", "price", "MA"]);
    }
}

/// A query reads no big table from end to end. Empty partitions do not count.
async fn check_plan(connection: &Connection, query: &Query, scope: &Scope<'_>) {
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) {}", scope.expand(&query.sql));
    let messages = connection.simple_query(&explain).await.unwrap();
    let plan = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let plan: Value = serde_json::from_str(&plan.expect("a plan")).unwrap();
    let mut whole = Vec::new();
    collect_whole(&plan[0]["Plan"], &mut whole);
    assert!(whole.is_empty(), "{} {scope:?} reads all of {whole:?}", query.name);
}

fn collect_whole(node: &Value, found: &mut Vec<String>) {
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let counts = ["Actual Rows", "Rows Removed by Filter"];
    let has_read = counts.iter().any(|name| node[*name].as_f64().is_some_and(|rows| rows > 0.0));
    let is_big = BIG.iter().any(|big| table.starts_with(big));
    if node["Node Type"] == "Seq Scan" && is_big && has_read {
        found.push(table.to_owned());
    }
    for child in list(node, "/Plans") {
        collect_whole(child, found);
    }
}

/// What no rule may tell: crosses that were told ten minutes ago, crosses of last week that a replay writes now, alerts of another
/// type, a volume below the limit.
const QUIET: &str = "
    INSERT INTO breakout_alerts (symbol, \"timestamp\", current_price, window_avg, signal, type, created_at)
    SELECT a.symbol, now() - a.age, 100, 99, t.signal, t.type, now() - a.written
    FROM (VALUES ('OLD', interval '12 minutes', interval '10 minutes'), ('REPLAY', '7 days', '5 seconds'))
        AS a (symbol, age, written),
        (VALUES ('BULLISH', 'golden_cross'), ('BEARISH', 'death_cross')) AS t (signal, type)
    UNION ALL
    SELECT 'OTHER', now() - interval '10 seconds', 100, 99, 'BULLISH', 'breakout', now() - interval '5 seconds'
    UNION ALL
    SELECT 'SMALL', now() - interval '10 seconds', 100, 99, 'NEUTRAL', 'high_volume', now() - interval '5 seconds';";
/// What each rule has to tell.
const EVENTS: &str = "
    INSERT INTO breakout_alerts (symbol, \"timestamp\", current_price, window_avg, signal, type, created_at)
    VALUES ('UP', now() - interval '66 seconds', 100, 99, 'BULLISH', 'golden_cross', now() - interval '5 seconds'),
        ('DOWN', now() - interval '66 seconds', 100, 99, 'BEARISH', 'death_cross', now() - interval '5 seconds'),
        ('LOUD', now() - interval '10 seconds', 100, 99, 'NEUTRAL', 'high_volume', now() - interval '5 seconds');";

/// The window whose newest slide holds what happened ten seconds ago.
fn window(symbol: &str, volume: u32) -> String {
    format!(
        "INSERT INTO stock_aggregates (symbol, window_start, window_end, total_volume, trade_count, side, bar_volume, \
         bar_trades, bar_notional, bar_notional_size, is_final, revision, created_at) \
         SELECT '{symbol}', w.start, w.start + interval '5 minutes', {volume}, 1, 0, 0, 0, 0, 0, false, 1, \
         now() - interval '5 seconds' \
         FROM (SELECT date_trunc('minute', now() - interval '10 seconds') - interval '4 minutes') AS w (start);"
    )
}

#[tokio::test]
async fn rules_tell_what_has_happened_and_nothing_else() {
    let scratch = migrated().await;
    let (owner, grafana) = (scratch.connection().await, reader(&scratch).await);
    let rules = rules();
    let [golden, death, volume, no_data] = ["golden-cross", "death-cross", "high-volume", "no-data"]
        .map(|name| rules.iter().find(|rule| rule.uid == format!("tape-{name}")).unwrap());
    assert_eq!(rules.len(), 4);
    for rule in &rules {
        assert!(fired(&grafana, rule).await.is_empty(), "{} fires in an empty database", rule.title);
        let expected = if rule.uid == no_data.uid { "Alerting" } else { "OK" };
        assert_eq!(rule.no_data, expected, "{}", rule.title);
    }

    // In one transaction with its window: the alert lies in the window's newest slide.
    owner.batch_execute(&format!("{QUIET} {}", window("SMALL", 1_000_000))).await.unwrap();
    for rule in &rules {
        assert!(fired(&grafana, rule).await.is_empty(), "{} fires without a cause", rule.title);
    }

    owner.batch_execute(&format!("{EVENTS} {}", window("LOUD", 1_000_001))).await.unwrap();
    for (rule, symbol) in [(golden, "UP"), (death, "DOWN"), (volume, "LOUD")] {
        let found = fired(&grafana, rule).await;
        // One instance for a symbol and a time.
        assert!(matches!(&found[..], [labels] if labels[0] == symbol && labels.len() == 2), "{found:?}");
        assert_eq!(fired(&grafana, rule).await, found, "another instance at the next evaluation");
    }
    assert!(fired(&grafana, no_data).await.is_empty());

    let away = "UPDATE stock_aggregates SET window_start = window_start - interval '11 minutes', \
                window_end = window_end - interval '11 minutes'";
    owner.batch_execute(away).await.unwrap();
    assert_eq!(fired(&grafana, no_data).await.len(), 1);
}

/// Labels of the instances that fire: every text column is one, the last column is the value.
async fn fired(connection: &Connection, rule: &Rule) -> Vec<Vec<String>> {
    let (from, to) = (ago(connection, rule.seconds).await, ago(connection, 0.0).await);
    let scope = Scope { from: &from, to: &to, symbols: &[], range: "", interval: "" };
    let rows = ask(connection, &query_of(rule), &scope).await;
    rows.iter()
        .filter(|row| row.get::<_, Option<f64>>(row.len() - 1).is_some_and(|value| value > rule.above))
        .map(|row| (1..row.len() - 1).map(|column| row.get(column)).collect())
        .collect()
}
