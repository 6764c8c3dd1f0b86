-- Roll-ups where there are no continuous aggregates. Run at every migration; changes nothing the second time.
--
-- Bars do not overlap, so a roll-up is a sum over bars; windows overlap and are never added up. A row of `bar_rollups` is a bucket of a
-- symbol; `rollup_stale` names the hours whose rows have changed since they were rolled up. The sink marks an hour in the transaction
-- that writes to it, each connection in a row of its own, so writers do not wait for each other; `tape maintain` takes the marks away, hour by
-- hour, and sums up again. The views read what is not marked from the table and sum up what is: they are exact at any time, and fast as
-- long as `tape maintain` runs.

CREATE TABLE IF NOT EXISTS bar_rollups (
    width         interval         NOT NULL,
    bucket        timestamptz      NOT NULL,
    symbol        text COLLATE "C" NOT NULL,
    open_price    double precision,
    max_price     double precision,
    min_price     double precision,
    close_price   double precision,
    total_volume  double precision NOT NULL,
    trade_count   bigint           NOT NULL,
    notional      numeric          NOT NULL,
    notional_size double precision NOT NULL,
    CONSTRAINT bar_rollups_pkey PRIMARY KEY (width, symbol, bucket)
);
CREATE INDEX IF NOT EXISTS bar_rollups_width_bucket_idx ON bar_rollups (width, bucket DESC);

COMMENT ON TABLE bar_rollups IS 'Roll-ups of bars, filled by tape maintain. Read the views stock_5min_agg, stock_15min_agg and stock_1hour_agg instead.';
COMMENT ON COLUMN bar_rollups.width IS 'Length of the bucket: 5 minutes, 15 minutes or 1 hour.';
COMMENT ON COLUMN bar_rollups.bucket IS 'First instant of the bucket, a multiple of its width since the epoch.';
COMMENT ON COLUMN bar_rollups.symbol IS 'Symbol, 1 to 32 bytes.';
COMMENT ON COLUMN bar_rollups.open_price IS 'Open of the first bar with a price, in units of the price.';
COMMENT ON COLUMN bar_rollups.max_price IS 'Highest price, in units of the price.';
COMMENT ON COLUMN bar_rollups.min_price IS 'Lowest price, in units of the price.';
COMMENT ON COLUMN bar_rollups.close_price IS 'Close of the last bar with a price, in units of the price.';
COMMENT ON COLUMN bar_rollups.total_volume IS 'Sum of the bars'' volumes, in shares.';
COMMENT ON COLUMN bar_rollups.trade_count IS 'Number of records in the bars.';
COMMENT ON COLUMN bar_rollups.notional IS 'Sum of the bars'' notional, in units of price times shares.';
COMMENT ON COLUMN bar_rollups.notional_size IS 'Size behind notional, in shares.';

DO $$
BEGIN
    IF to_regclass('rollup_stale') IS NULL THEN
        CREATE TABLE rollup_stale (
            hour      timestamptz NOT NULL,
            writer    integer     NOT NULL,
            marked_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT rollup_stale_pkey PRIMARY KEY (hour, writer)
        )
        -- A handful of rows, rewritten with every batch.
        WITH (fillfactor = 50);
        -- What is there already was never rolled up.
        INSERT INTO rollup_stale (hour, writer)
        SELECT DISTINCT date_bin('1 hour', a.window_end - s.slide_duration, 'epoch'::timestamptz), 0
        FROM settings s, stock_aggregates a
        WHERE a.bar_trades > 0;
    END IF;
END
$$;

COMMENT ON TABLE rollup_stale IS 'Hours whose bars changed since they were rolled up: written by the sink, emptied by tape maintain.';
COMMENT ON COLUMN rollup_stale.hour IS 'First instant of the hour in which the bars start.';
COMMENT ON COLUMN rollup_stale.writer IS 'Process id of the connection that wrote; 0: tape migrate.';
COMMENT ON COLUMN rollup_stale.marked_at IS 'When the connection last wrote to the hour.';

-- Bars that start in [p_from, p_to), summed up by buckets; each bar lies in the bucket of its start.
CREATE OR REPLACE FUNCTION sum_of_bars(p_width interval, p_from timestamptz, p_to timestamptz)
RETURNS TABLE (
    bucket timestamptz, symbol text, open_price double precision, max_price double precision, min_price double precision,
    close_price double precision, total_volume double precision, trade_count bigint, notional numeric,
    notional_size double precision
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- Settings are asked for as values: as a table of unknown size in a join they mislead the planner.
    SELECT date_bin(p_width, a.window_end - (SELECT slide_duration FROM settings), 'epoch'::timestamptz), a.symbol,
        (array_agg(a.bar_open ORDER BY a.window_start) FILTER (WHERE a.bar_open IS NOT NULL))[1],
        max(a.bar_high), min(a.bar_low),
        (array_agg(a.bar_close ORDER BY a.window_start DESC) FILTER (WHERE a.bar_close IS NOT NULL))[1],
        sum(a.bar_volume), sum(a.bar_trades)::bigint, sum(a.bar_notional), sum(a.bar_notional_size)
    FROM stock_aggregates a
    WHERE a.bar_trades > 0
        AND a.window_start >= p_from - (SELECT window_duration - slide_duration FROM settings)
        AND a.window_start < p_to - (SELECT window_duration - slide_duration FROM settings)
    GROUP BY 1, 2
$$;

COMMENT ON FUNCTION sum_of_bars(interval, timestamptz, timestamptz) IS
    'Sums over the bars that start in [from, to), by symbol and bucket of the width.';

-- Rolls up one hour and takes its marks away: in a transaction of its own, because it waits for the writers of that hour.
CREATE OR REPLACE FUNCTION refresh_rollups(p_hour timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_width interval;
    v_rows  bigint;
    v_sum   bigint := 0;
BEGIN
    -- Waits for those who have marked the hour and not committed; the sums below see what they wrote.
    DELETE FROM rollup_stale WHERE hour = p_hour;
    FOR v_width IN VALUES (interval '5 minutes'), (interval '15 minutes'), (interval '1 hour') LOOP
        INSERT INTO bar_rollups AS r
        SELECT v_width, b.* FROM sum_of_bars(v_width, p_hour, p_hour + interval '1 hour') b
        -- A symbol's buckets of the hour lie side by side: who asks for one symbol reads fewer pages.
        ORDER BY b.symbol, b.bucket
        ON CONFLICT (width, symbol, bucket) DO UPDATE SET
            open_price = excluded.open_price, max_price = excluded.max_price, min_price = excluded.min_price,
            close_price = excluded.close_price, total_volume = excluded.total_volume, trade_count = excluded.trade_count,
            notional = excluded.notional, notional_size = excluded.notional_size
        WHERE (r.open_price, r.max_price, r.min_price, r.close_price, r.total_volume, r.trade_count, r.notional, r.notional_size)
            IS DISTINCT FROM (excluded.open_price, excluded.max_price, excluded.min_price, excluded.close_price,
                excluded.total_volume, excluded.trade_count, excluded.notional, excluded.notional_size);
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_sum := v_sum + v_rows;
    END LOOP;
    RETURN v_sum;
END
$$;

COMMENT ON FUNCTION refresh_rollups(timestamptz) IS 'Rolls up the bars of an hour again; how many buckets it wrote.';

DO $$
DECLARE
    v_name  text;
    v_width text;
BEGIN
    FOR v_name, v_width IN VALUES ('stock_5min_agg', '5 minutes'), ('stock_15min_agg', '15 minutes'), ('stock_1hour_agg', '1 hour')
    LOOP
        EXECUTE format($view$
            CREATE OR REPLACE VIEW %1$I AS
            SELECT b.bucket, b.symbol, b.open_price, b.max_price, b.min_price, b.close_price,
                b.notional::double precision / nullif(b.notional_size, 0) AS avg_price, b.total_volume, b.trade_count
            FROM (
                SELECT r.bucket, r.symbol, r.open_price, r.max_price, r.min_price, r.close_price, r.total_volume, r.trade_count,
                    r.notional, r.notional_size
                FROM bar_rollups r
                WHERE r.width = %2$L
                    AND NOT EXISTS (
                        SELECT FROM rollup_stale m WHERE m.hour = date_bin('1 hour', r.bucket, 'epoch'::timestamptz)
                    )
                UNION ALL
                SELECT s.bucket, s.symbol, s.open_price, s.max_price, s.min_price, s.close_price, s.total_volume, s.trade_count,
                    s.notional, s.notional_size
                FROM (SELECT DISTINCT m.hour FROM rollup_stale m) stale
                CROSS JOIN LATERAL sum_of_bars(%2$L, stale.hour, stale.hour + interval '1 hour') s
            ) b
            $view$, v_name, v_width);
    END LOOP;
END
$$;
