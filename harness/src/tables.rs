//! What stands in the database of a test, in a form that the oracle's rows and alerts can take, too.

use std::collections::BTreeMap;

use tape_db::{Connection, Pool};
use tape_oracle as oracle;
use tape_proto::decimal::{Atto, nanos_to_f64};
use tape_service::config::Database;

/// A row of `stock_aggregates` by column; doubles by their bits, so that equal means equal.
pub type RowLine = BTreeMap<&'static str, String>;

/// A row of `breakout_alerts`: symbol, type, timestamp, signal, price, average.
pub type AlertLine = (String, String, i64, String, Option<u64>, Option<u64>);

/// Columns that hold doubles.
const DOUBLES: [&str; 14] = [
    "avg_price",
    "max_price",
    "min_price",
    "open_price",
    "close_price",
    "vwap",
    "total_volume",
    "ma_5min",
    "bar_open",
    "bar_high",
    "bar_low",
    "bar_close",
    "bar_volume",
    "bar_notional_size",
];

const ALERTS: &str =
    "SELECT symbol, type, (extract(epoch FROM timestamp) * 1000)::bigint, signal, current_price, window_avg
     FROM breakout_alerts ORDER BY 1, 3, 2, 4";

/// A database of a test.
pub struct Tables {
    runtime: tokio::runtime::Runtime,
    connection: Connection,
}

impl Tables {
    /// Connects.
    pub fn open(database: &Database) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let pool = Pool::new(database, "test").expect("valid settings");
        let connection = runtime.block_on(pool.get()).expect("the database answers");
        Tables { runtime, connection }
    }

    /// Creates an empty database.
    pub fn create(&self, name: &str) {
        let statement = format!("CREATE DATABASE \"{name}\"");
        self.runtime.block_on(self.connection.batch_execute(&statement)).expect("a new database");
    }

    /// Rows by (symbol, window start).
    pub fn rows(&self) -> BTreeMap<(String, i64), RowLine> {
        let doubles = DOUBLES.join(", ");
        let statement = format!(
            "SELECT symbol, (extract(epoch FROM window_start) * 1000)::bigint, (extract(epoch FROM window_end) * 1000)::bigint,
                    side::int, trade_count, bar_trades, is_final, revision, closed_by, trim_scale(bar_notional)::text, {doubles}
             FROM stock_aggregates"
        );
        let rows = self.runtime.block_on(self.connection.query(&statement, &[])).expect("rows");
        let line = |row: &tape_db::Row| {
            let mut line = RowLine::from([
                ("window_end", row.get::<_, i64>(2).to_string()),
                ("side", row.get::<_, i32>(3).to_string()),
                ("trade_count", row.get::<_, i64>(4).to_string()),
                ("bar_trades", row.get::<_, i64>(5).to_string()),
                ("is_final", row.get::<_, bool>(6).to_string()),
                ("revision", row.get::<_, i64>(7).to_string()),
                ("closed_by", row.get::<_, Option<&str>>(8).unwrap_or_default().to_owned()),
                ("bar_notional", row.get::<_, String>(9)),
            ]);
            for (at, name) in DOUBLES.iter().enumerate() {
                line.insert(name, bits(row.get(10 + at)));
            }
            ((row.get(0), row.get(1)), line)
        };
        rows.iter().map(line).collect()
    }

    /// All alerts, in order.
    pub fn alerts(&self) -> Vec<AlertLine> {
        let rows = self.runtime.block_on(self.connection.query(ALERTS, &[])).expect("alerts");
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        rows.iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), bits(row.get(4)), bits(row.get(5))))
            .collect()
    }

    /// The row of the table that the oracle's row must become.
    pub fn row_line(row: &oracle::Row) -> ((String, i64), RowLine) {
        let price = |price: Option<i64>| bits(price.map(|price| nanos_to_f64(price.into())));
        let size = |size: i128| bits(Some(nanos_to_f64(size)));
        let closed_by = row.closed_by.map(|by| format!("{by:?}").to_uppercase()).unwrap_or_default();
        let line = RowLine::from([
            ("window_end", row.window_end.to_string()),
            ("side", row.side.to_string()),
            ("trade_count", row.trade_count.to_string()),
            ("bar_trades", row.bar_trades.to_string()),
            ("is_final", row.is_final.to_string()),
            ("revision", row.revision.to_string()),
            ("closed_by", closed_by),
            ("bar_notional", Atto(row.bar_notional).to_string()),
            ("avg_price", price(row.avg_price)),
            ("max_price", price(row.max_price)),
            ("min_price", price(row.min_price)),
            ("open_price", price(row.open_price)),
            ("close_price", price(row.close_price)),
            ("vwap", price(row.vwap)),
            ("total_volume", size(row.total_volume)),
            ("ma_5min", price(row.ma_5min)),
            ("bar_open", price(row.bar_open)),
            ("bar_high", price(row.bar_high)),
            ("bar_low", price(row.bar_low)),
            ("bar_close", price(row.bar_close)),
            ("bar_volume", size(row.bar_volume)),
            ("bar_notional_size", size(row.bar_notional_size)),
        ]);
        ((row.symbol.clone(), row.window_start), line)
    }

    /// The row of the table that the oracle's alert must become.
    pub fn alert_line(alert: &oracle::Alert) -> AlertLine {
        let kind = match alert.kind {
            oracle::AlertKind::Breakout => "breakout",
            oracle::AlertKind::GoldenCross => "golden_cross",
            oracle::AlertKind::DeathCross => "death_cross",
            oracle::AlertKind::HighVolume => "high_volume",
        };
        let price = |price: Option<i64>| price.map(|price| nanos_to_f64(price.into()).to_bits());
        (
            alert.symbol.clone(),
            kind.to_owned(),
            alert.timestamp,
            format!("{:?}", alert.signal).to_uppercase(),
            price(alert.current_price),
            price(alert.window_avg),
        )
    }
}

fn bits(value: Option<f64>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{value} = {:x}", value.to_bits()))
}
