//! Both tables, read whole in one transaction of the server.

use anyhow::anyhow;
use tape_db::{Connection, Pool};
use tape_proto::decimal::parse_atto;
use tape_service::Failure;

use super::entry::{AlertEntry, Cell, Closing, RowEntry};

/// Both questions see one state of the database. A large table may take longer than a statement of a role may.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0";

const ROWS: &str = "SELECT symbol, (extract(epoch FROM window_start) * 1000)::bigint AS window_start, \
     (extract(epoch FROM window_end) * 1000)::bigint AS window_end, avg_price, max_price, min_price, open_price, \
     close_price, vwap, total_volume, trade_count, ma_5min, side, bar_open, bar_high, bar_low, bar_close, bar_volume, \
     bar_trades, bar_notional::text AS bar_notional, bar_notional_size, is_final, revision, closed_by FROM stock_aggregates";

const ALERTS: &str = "SELECT symbol, (extract(epoch FROM \"timestamp\") * 1000)::bigint, type, signal, current_price, \
     window_avg FROM breakout_alerts";

/// What PostgreSQL holds.
pub(super) struct Tables {
    pub(super) rows: Vec<RowEntry>,
    pub(super) alerts: Vec<AlertEntry>,
}

impl Tables {
    /// Reads both tables.
    pub(super) async fn read(pool: &Pool) -> Result<Self, Failure> {
        let failed = |error: tape_db::Error| Failure::Other(anyhow!("reading {}: {error}", pool.target()));
        let connection = pool.get().await.map_err(failed)?;
        let read = read(&connection).await;
        // Its transaction ends with it.
        tape_db::discard(connection);
        read.map_err(failed)?
    }
}

async fn read(connection: &Connection) -> Result<Result<Tables, Failure>, tape_db::Error> {
    connection.batch_execute(BEGIN).await?;
    let rows = read_rows(connection).await?;
    let alerts = connection.query(ALERTS, &[]).await?;
    let alerts = alerts
        .iter()
        .map(|row| AlertEntry {
            identity: (row.get(0), row.get(1), row.get(2), row.get(3)),
            cells: [Cell::double(row.get(4)), Cell::double(row.get(5))],
        })
        .collect();
    Ok(rows.map(|rows| Tables { rows, alerts }))
}

async fn read_rows(connection: &Connection) -> Result<Result<Vec<RowEntry>, Failure>, tape_db::Error> {
    let rows = connection.query(ROWS, &[]).await?;
    let entries = rows.iter().map(|row| {
        let double = |column: &str| Cell::double(row.get::<_, Option<f64>>(column));
        let integer = |column: &str| Cell::Integer(row.get::<_, i64>(column));
        let closed_by = row.get::<_, Option<&str>>("closed_by");
        Ok(RowEntry {
            symbol: row.get("symbol"),
            window_start: row.get("window_start"),
            closing: Closing::of(closed_by),
            cells: [
                integer("window_end"),
                double("avg_price"),
                double("max_price"),
                double("min_price"),
                double("open_price"),
                double("close_price"),
                double("vwap"),
                double("total_volume"),
                integer("trade_count"),
                double("ma_5min"),
                Cell::Integer(row.get::<_, i16>("side").into()),
                double("bar_open"),
                double("bar_high"),
                double("bar_low"),
                double("bar_close"),
                double("bar_volume"),
                integer("bar_trades"),
                exact(row.get("bar_notional"))?,
                double("bar_notional_size"),
                Cell::Word(row.get::<_, bool>("is_final").to_string()),
                integer("revision"),
                Cell::word(closed_by),
            ],
        })
    });
    Ok(entries.collect())
}

fn exact(notional: &str) -> Result<Cell, Failure> {
    let parsed = parse_atto(notional);
    parsed.map(Cell::Exact).map_err(|error| {
        Failure::Other(anyhow!("stock_aggregates: bar_notional {notional} cannot be compared: {error}"))
    })
}
