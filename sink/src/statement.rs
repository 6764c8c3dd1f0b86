//! Every SQL text of the sink. One text for each statement, whatever the size of the batch: the server plans it once.

/// Writes rows under the contract's order: a larger (is_final, revision) replaces a smaller one, nothing else does.
/// `created_at` stays what it was at the first insert.
pub(crate) const UPSERT_AGGREGATES: &str = "\
INSERT INTO stock_aggregates AS t (
    symbol, window_start, window_end, avg_price, max_price, min_price, open_price, close_price, vwap, total_volume,
    trade_count, ma_5min, side, bar_open, bar_high, bar_low, bar_close, bar_volume, bar_trades, bar_notional,
    bar_notional_size, is_final, revision, closed_by)
SELECT
    r.symbol, r.window_start, r.window_end, r.avg_price, r.max_price, r.min_price, r.open_price, r.close_price, r.vwap,
    r.total_volume, r.trade_count, r.ma_5min, r.side, r.bar_open, r.bar_high, r.bar_low, r.bar_close, r.bar_volume,
    r.bar_trades, r.bar_notional::numeric, r.bar_notional_size, r.is_final, r.revision, r.closed_by
FROM unnest(
    $1::text[], $2::timestamptz[], $3::timestamptz[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],
    $8::float8[], $9::float8[], $10::float8[], $11::int8[], $12::float8[], $13::int2[], $14::float8[], $15::float8[],
    $16::float8[], $17::float8[], $18::float8[], $19::int8[], $20::text[], $21::float8[], $22::bool[], $23::int8[],
    $24::text[]
) AS r (
    symbol, window_start, window_end, avg_price, max_price, min_price, open_price, close_price, vwap, total_volume,
    trade_count, ma_5min, side, bar_open, bar_high, bar_low, bar_close, bar_volume, bar_trades, bar_notional,
    bar_notional_size, is_final, revision, closed_by)
ON CONFLICT (symbol, window_start) DO UPDATE SET
    window_end = excluded.window_end, avg_price = excluded.avg_price, max_price = excluded.max_price,
    min_price = excluded.min_price, open_price = excluded.open_price, close_price = excluded.close_price,
    vwap = excluded.vwap, total_volume = excluded.total_volume, trade_count = excluded.trade_count,
    ma_5min = excluded.ma_5min, side = excluded.side, bar_open = excluded.bar_open, bar_high = excluded.bar_high,
    bar_low = excluded.bar_low, bar_close = excluded.bar_close, bar_volume = excluded.bar_volume,
    bar_trades = excluded.bar_trades, bar_notional = excluded.bar_notional,
    bar_notional_size = excluded.bar_notional_size, is_final = excluded.is_final, revision = excluded.revision,
    closed_by = excluded.closed_by, updated_at = now()
WHERE (excluded.is_final, excluded.revision) > (t.is_final, t.revision)";

/// Writes alerts; one that stands already is left alone.
pub(crate) const INSERT_ALERTS: &str = "\
INSERT INTO breakout_alerts (symbol, \"timestamp\", current_price, window_avg, signal, type)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::float8[], $4::float8[], $5::text[], $6::text[])
ON CONFLICT (symbol, \"timestamp\", type, signal) DO NOTHING";

/// Marks hours ($1) whose bars change, for `tape maintain`: each connection in rows of its own, so that writers do not wait for
/// each other.
pub(crate) const MARK_HOURS: &str = "\
INSERT INTO rollup_stale (hour, writer)
SELECT h.hour, pg_backend_pid() FROM unnest($1::timestamptz[]) AS h (hour)
ON CONFLICT (hour, writer) DO UPDATE SET marked_at = now()";

/// Moves offsets from what is expected: $1 group, then topics, partitions, expected and new offsets. Counts those that
/// were as expected. The rows are locked in the order of their key.
pub(crate) const ADVANCE: &str = "\
WITH wanted AS (
    SELECT o.topic, o.partition, o.next_offset, w.expected, w.next
    FROM unnest($2::text[], $3::int4[], $4::int8[], $5::int8[]) AS w (topic, partition, expected, next)
    JOIN sink_offsets o ON o.group_id = $1 AND o.topic = w.topic AND o.partition = w.partition
    ORDER BY o.topic, o.partition
    FOR UPDATE OF o
)
UPDATE sink_offsets o SET next_offset = w.next, updated_at = now()
FROM wanted w
WHERE o.group_id = $1 AND o.topic = w.topic AND o.partition = w.partition AND w.next_offset = w.expected";

/// Where partitions stand: $1 group, then topics and partitions.
pub(crate) const READ_OFFSETS: &str = "\
SELECT o.topic, o.partition, o.next_offset
FROM sink_offsets o
JOIN unnest($2::text[], $3::int4[]) AS w (topic, partition) ON o.topic = w.topic AND o.partition = w.partition
WHERE o.group_id = $1";

/// First offsets: $1 group, then topics, partitions and offsets. A row that stands already is left alone.
pub(crate) const CREATE_OFFSETS: &str = "\
INSERT INTO sink_offsets (group_id, topic, partition, next_offset)
SELECT $1, w.* FROM unnest($2::text[], $3::int4[], $4::int8[]) AS w
ON CONFLICT (group_id, topic, partition) DO NOTHING";
