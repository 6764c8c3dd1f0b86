//! Section "sink": rows of windows from Kafka into PostgreSQL, beside a bare loop over the same rows.
//!
//! The bare loop holds its arrays in memory, ready made, and does nothing but one upsert by UNNEST after the other on one
//! connection, each in a transaction: what the database can take that way. `tape sink` reads the rows from Kafka, decodes
//! them, keeps offsets in the same transactions and marks hours for the roll-ups.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tape_db::{Connection, Pool, ToSql};
use tape_kafka::Outgoing;
use tape_proto::aggregate;
use tape_proto::messages::{ClosedBy, StockAggregate};
use tape_proto::output::OutputFormat;
use tape_proto::partition::partition;
use tape_service::Config;
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::contender::Contender;
use crate::course::Figures;
use crate::results::Run;
use crate::rig::Rig;
use crate::tape::Tape;
use crate::throughput::PARTITIONS;
use crate::{fill, meter, screen};

/// Names of cases, which the report looks for.
pub(crate) const BARE: &str = "bare UNNEST upserts of 5,000 rows, one connection";
pub(crate) const SINK: &str = "tape sink, a row a key";
pub(crate) const BACKLOG: &str = "tape sink, a backlog of update rows";

const SYMBOLS: u64 = 1_000;
/// Rows of a transaction of the bare loop; the sink's own `SINK_BATCH_ROWS`.
const BATCH: usize = 5_000;
/// Update rows of one key in the backlog: a window of five minutes, rewritten each second.
const REVISIONS: u64 = 300;
const MINUTE_MS: i64 = 60_000;
/// First window, epoch ms: a day whose partition is the first one.
const BEGIN_MS: i64 = 1_767_225_600_000;
const LOOK: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(600);
const FLUSH: Duration = Duration::from_secs(120);

/// The statement of the bare loop: the sink's columns and its order of rows.
const UPSERT: &str = "INSERT INTO stock_aggregates AS t (symbol, window_start, window_end, avg_price, max_price, min_price, \
    open_price, close_price, vwap, total_volume, trade_count, ma_5min, side, bar_open, bar_high, bar_low, bar_close, bar_volume, \
    bar_trades, bar_notional, bar_notional_size, is_final, revision, closed_by) \
    SELECT r.s, r.b, r.e, r.p, r.p, r.p, r.p, r.p, r.p, r.v, r.n, r.p, 1, r.p, r.p, r.p, r.p, r.v, r.n, r.x::numeric, r.v, true, r.r, \
    'RECORD' FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::float8[], $5::float8[], $6::int8[], $7::text[], \
    $8::int8[]) AS r (s, b, e, p, v, n, x, r) ON CONFLICT (symbol, window_start) DO UPDATE SET window_end = excluded.window_end, \
    avg_price = excluded.avg_price, is_final = excluded.is_final, revision = excluded.revision, updated_at = now() \
    WHERE (excluded.is_final, excluded.revision) > (t.is_final, t.revision)";

/// Runs the section.
pub(crate) fn run(rig: &Rig, args: &Args, keep: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
    let windows = if args.quick { 60 } else { 500 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { rig, runtime, rows: SYMBOLS * windows };
    for round in 1..=args.rounds() {
        if args.takes(BARE) {
            bench.keep(BARE, round, bench.bare()?, keep)?;
        }
        if args.takes(SINK) {
            bench.keep(SINK, round, bench.sink(bench.rows, &|number| final_row(number))?, keep)?;
        }
    }
    if args.takes(BACKLOG) {
        let records = if args.quick { 200_000 } else { args.records() };
        bench.keep(BACKLOG, 1, bench.sink(records, &update_row)?, keep)?;
    }
    Ok(())
}

struct Bench<'a> {
    rig: &'a Rig,
    runtime: Runtime,
    rows: u64,
}

impl Bench<'_> {
    fn keep(
        &self,
        name: &str,
        round: usize,
        figures: Figures,
        keep: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let (rate, peak) = (figures["rate"], figures.get("peak").copied());
        let peak = peak.map(|peak| format!(", {peak:.0} MiB")).unwrap_or_default();
        screen::line(&format!("{name}: {rate:.0} records/s{peak}"));
        keep(Run { name: name.to_owned(), round, figures })
    }

    /// An empty schema and a connection to it.
    fn fresh(&self, tape: &Tape) -> Result<Connection> {
        let down = crate::contender::Recipe {
            args: ["migrate", "--down", "--yes"].map(str::to_owned).to_vec(),
            ..tape.recipe("migrate")
        };
        Contender::run(down)?;
        Contender::run(tape.recipe("migrate"))?;
        let config = Config::load(self.rig.settings.clone(), None)?.config;
        let pool = {
            let _entered = self.runtime.enter();
            Pool::new(&config.db, "tape-bench")?
        };
        Ok(self.runtime.block_on(pool.get())?)
    }

    fn bare(&self) -> Result<Figures> {
        screen::now(BARE);
        let tape = Tape::new(self.rig, "sink-bare", "sink-bare-input", &[])?;
        let connection = self.fresh(&tape)?;
        let numbers: Vec<u64> = (0..self.rows).collect();
        let batches: Vec<Columns> = numbers.chunks(BATCH).map(Columns::new).collect();
        let seconds = self.runtime.block_on(async {
            let statement = connection.prepare(UPSERT).await?;
            let begun = Instant::now();
            for batch in &batches {
                connection.batch_execute("BEGIN").await?;
                connection.execute(&statement, &batch.parameters()).await?;
                connection.batch_execute("COMMIT").await?;
            }
            Ok::<_, anyhow::Error>(begun.elapsed().as_secs_f64())
        })?;
        Ok(Figures::from([("rate".to_owned(), self.rows as f64 / seconds), ("seconds".to_owned(), seconds)]))
    }

    /// So many records, then `tape sink` until all of them are counted in its offsets.
    fn sink(&self, records: u64, row: &dyn Fn(u64) -> StockAggregate) -> Result<Figures> {
        let tape = Tape::new(self.rig, "sink-full", "sink-full-input", &[])?;
        tape.create_topics()?;
        let connection = self.fresh(&tape)?;
        let topic = tape.topic("aggregates");
        self.fill(&topic, records, row)?;
        let mut sink = tape.start("sink")?;
        let (mut first, begun) = (None, Instant::now());
        let figures = loop {
            std::thread::sleep(LOOK);
            let Some(reading) = meter::read(sink.pid()) else { return Err(sink.failure("it has ended")) };
            let done = self.consumed(&connection)?;
            if done > 0 && first.is_none() {
                first = Some((begun.elapsed(), done, reading.cpu));
            }
            if begun.elapsed() > LIMIT {
                return Err(sink.failure("it did not reach the end"));
            }
            let Some((at, from, cpu)) = first else { continue };
            if done >= records {
                let rest = (done - from).max(1) as f64;
                break Figures::from([
                    ("rate".to_owned(), rest / (begun.elapsed() - at).as_secs_f64()),
                    ("seconds".to_owned(), begun.elapsed().as_secs_f64()),
                    ("first".to_owned(), at.as_secs_f64()),
                    ("cpu".to_owned(), (reading.cpu - cpu) / rest * 1e6),
                    ("peak".to_owned(), reading.peak),
                    (
                        "rows".to_owned(),
                        self.number(&connection, "SELECT count(*) FROM stock_aggregates")? as f64,
                    ),
                ]);
            }
        };
        sink.stop()?;
        self.rig.delete(&tape.app)?;
        Ok(figures)
    }

    /// Records that the offsets in the database stand for; no transaction marker lies between them.
    fn consumed(&self, connection: &Connection) -> Result<u64> {
        let sql =
            "SELECT coalesce(sum(next_offset), 0)::bigint FROM sink_offsets WHERE topic LIKE '%aggregates'";
        Ok(u64::try_from(self.number(connection, sql)?)?)
    }

    fn number(&self, connection: &Connection, sql: &str) -> Result<i64> {
        Ok(self.runtime.block_on(connection.query_one(sql, &[]))?.get(0))
    }

    fn fill(&self, topic: &str, records: u64, row: &dyn Fn(u64) -> StockAggregate) -> Result<()> {
        let producer = fill::producer(self.rig, 20)?;
        let mut value = Vec::new();
        for number in 0..records {
            let row = row(number);
            value.clear();
            aggregate::encode(&row, OutputFormat::Protobuf, &mut value);
            let key = row.symbol.as_bytes();
            let partition = Some(partition(key, PARTITIONS));
            let record =
                Outgoing { topic, partition, key: Some(key), value: Some(&value), ..Outgoing::default() };
            fill::send(&producer, &record)?;
            if number % 50_000 == 0 {
                screen::now(&format!("writing rows: {number} of {records}"));
            }
        }
        producer.flush(FLUSH).context("the last rows were not written")?;
        if producer.delivered() != records {
            bail!("{} of {records} rows were written", producer.delivered());
        }
        Ok(())
    }
}

/// A final row of a key of its own: window after window, in each all symbols.
fn final_row(number: u64) -> StockAggregate {
    let mut row = plain_row(number % SYMBOLS, number / SYMBOLS);
    (row.is_final, row.closed_by) = (true, ClosedBy::Record.into());
    row.revision = i64::try_from(number).unwrap_or(i64::MAX);
    row
}

/// Rows of open windows: all symbols, then all of them again, [`REVISIONS`] times before the next window.
fn update_row(number: u64) -> StockAggregate {
    let mut row = plain_row(number % SYMBOLS, number / SYMBOLS / REVISIONS);
    row.revision = i64::try_from(number).unwrap_or(i64::MAX);
    row
}

fn plain_row(symbol: u64, window: u64) -> StockAggregate {
    let start = BEGIN_MS + i64::try_from(window).unwrap_or_default() * MINUTE_MS;
    let price = Some(price_of(symbol, window));
    let mut row = StockAggregate {
        symbol: format!("S{symbol}"),
        window_start: start,
        window_end: start + 5 * MINUTE_MS,
        avg_price: price,
        max_price: price,
        min_price: price,
        open_price: price,
        close_price: price,
        vwap: price,
        trade_count: 25,
        ma_5min: price,
        side: 1,
        bar_open: price,
        bar_high: price,
        bar_low: price,
        bar_close: price,
        bar_trades: 25,
        ..StockAggregate::default()
    };
    row.set_total_volume(1_234_000_000_000);
    row.set_bar_volume(1_234_000_000_000);
    row.set_bar_notional(123_456_789_012_345_678_901_234);
    row.set_bar_notional_size(1_234_000_000_000);
    row
}

/// Nanos.
fn price_of(symbol: u64, window: u64) -> i64 {
    100_000_000_000 + i64::try_from(symbol * 1_000_000 + window * 10_000).unwrap_or_default()
}

/// The same rows as arrays, ready made.
#[derive(Default)]
struct Columns {
    symbol: Vec<String>,
    start: Vec<SystemTime>,
    end: Vec<SystemTime>,
    price: Vec<f64>,
    volume: Vec<f64>,
    count: Vec<i64>,
    notional: Vec<String>,
    revision: Vec<i64>,
}

impl Columns {
    fn new(numbers: &[u64]) -> Self {
        let mut columns = Self::default();
        let mut rows: Vec<StockAggregate> = numbers.iter().map(|number| final_row(*number)).collect();
        rows.sort_by(|a, b| (&a.symbol, a.window_start).cmp(&(&b.symbol, b.window_start)));
        for row in rows {
            let instant = |ms: i64| UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
            columns.start.push(instant(row.window_start));
            columns.end.push(instant(row.window_end));
            columns.price.push(row.avg_price.unwrap_or_default() as f64 / 1e9);
            columns.volume.push(1_234.0);
            columns.count.push(25);
            columns.notional.push("123456.789012345678901234".to_owned());
            columns.revision.push(row.revision);
            columns.symbol.push(row.symbol);
        }
        columns
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 8] {
        [
            &self.symbol,
            &self.start,
            &self.end,
            &self.price,
            &self.volume,
            &self.count,
            &self.notional,
            &self.revision,
        ]
    }
}
