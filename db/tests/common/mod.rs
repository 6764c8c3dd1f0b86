//! What the schema's tests write into a scratch database, and ask it.

#![allow(clippy::unwrap_used, reason = "a failed step of the scaffold is a failed test")]
#![allow(dead_code, reason = "each file of tests uses a part of it")]

use crate::scratch::Scratch;

impl Scratch {
    /// Everything that migrations make, as text.
    pub(crate) async fn schema(&self) -> Vec<String> {
        let sql = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable \
                   FROM information_schema.columns WHERE table_schema = 'public' \
                   UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
                   UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint \
                   WHERE connamespace = 'public'::regnamespace \
                   UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
                   UNION ALL SELECT version || name || checksum FROM refinery_schema_history \
                   UNION ALL SELECT settings::text FROM settings ORDER BY 1";
        let rows = self.connection().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn aggregate(&self, symbol: &str, minute: i64, revision: i64, is_final: bool) {
        self.insert(symbol, minute, revision, 0, is_final, None, 0.0).await;
    }

    pub(crate) async fn aggregate_side(&self, symbol: &str, minute: i64, side: i16, is_final: bool) {
        self.insert(symbol, minute, 1, side, is_final, None, 0.0).await;
    }

    /// A final row whose bar has one trade at its close.
    pub(crate) async fn bar(&self, symbol: &str, minute: i64, bar: [f64; 4], volume: f64) {
        self.insert(symbol, minute, 1, 0, true, Some(bar), volume).await;
    }

    #[allow(clippy::too_many_arguments, reason = "the columns that some test cares for")]
    async fn insert(
        &self,
        symbol: &str,
        minute: i64,
        revision: i64,
        side: i16,
        is_final: bool,
        bar: Option<[f64; 4]>,
        volume: f64,
    ) {
        let sql = "INSERT INTO stock_aggregates (symbol, window_start, window_end, avg_price, ma_5min, total_volume, \
                   trade_count, side, bar_open, bar_high, bar_low, bar_close, bar_volume, bar_trades, bar_notional, \
                   bar_notional_size, is_final, revision, closed_by) \
                   VALUES ($1, 'epoch'::timestamptz + make_interval(mins => $2), \
                   'epoch'::timestamptz + make_interval(mins => $2 + 5), 100, 99, 7, 1, $3, $4, $5, $6, $7, $8, $9, \
                   $10::float8::numeric, $8, $11, $12, CASE WHEN $11 THEN 'RECORD' END)";
        let minute = i32::try_from(minute).unwrap();
        let [open, high, low, close] = [0, 1, 2, 3].map(|index| bar.map(|bar| bar[index]));
        let (trades, notional) = (i64::from(bar.is_some()), close.unwrap_or_default() * volume);
        let connection = self.connection().await;
        let written = connection
            .execute(
                sql,
                &[
                    &symbol, &minute, &side, &open, &high, &low, &close, &volume, &trades, &notional,
                    &is_final, &revision,
                ],
            )
            .await;
        assert_eq!(written.unwrap(), 1);
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<(String, i64, Option<f64>, Option<f64>)> {
        let rows = self.connection().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    }

    pub(crate) async fn latest(&self) -> Vec<(String, i64)> {
        let sql = "SELECT symbol, (extract(epoch FROM window_start) / 60)::bigint FROM latest_prices";
        let rows = self.connection().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// (minute, open high low close, volume, trades, vwap)
    pub(crate) async fn candles(&self, sql: &str) -> Vec<(i64, [f64; 4], f64, i64, f64)> {
        let sql = format!("SELECT (extract(epoch FROM bucket) / 60)::bigint, c.* FROM ({sql}) c");
        let rows = self.connection().await.query(&sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| {
                (
                    row.get(0),
                    [row.get(2), row.get(3), row.get(4), row.get(5)],
                    row.get(6),
                    row.get(7),
                    row.get(8),
                )
            })
            .collect()
    }

    pub(crate) async fn now_minute(&self) -> i64 {
        let sql = "SELECT floor(extract(epoch FROM now()) / 60)::bigint";
        self.connection().await.query_one(sql, &[]).await.unwrap().get(0)
    }
}
