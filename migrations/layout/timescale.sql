-- TimescaleDB with its own licence: columnstore, retention and continuous aggregates by policies. Run at every migration, behind
-- hypertable.sql.
--
-- A continuous aggregate buckets by the hypertable's time column alone, and that is the window's start, while a bar starts
-- (window less slide) later: so the buckets of the aggregate are shifted by an offset, and the view in front of it, which users ask,
-- shifts them back.
-- tape.compress_after, tape.retention, tape.retention_rollups: intervals; an empty one: never.

DO $$
DECLARE
    v_compress CONSTANT text := current_setting('tape.compress_after');
    v_rows     CONSTANT interval := nullif(current_setting('tape.retention'), '')::interval;
    v_rollups  CONSTANT interval := nullif(current_setting('tape.retention_rollups'), '')::interval;
    v_shift    interval;
    v_made_for text;
    v_name     text;
    v_width    interval;
    v_every    interval;
BEGIN
    SELECT s.window_duration - s.slide_duration, format('Bars of windows of %s by %s.', s.window_duration, s.slide_duration)
    INTO STRICT v_shift, v_made_for FROM settings s;
    -- Two hours at the least must lie between what is deleted and what is still being written.
    IF v_rows < v_shift + interval '4 hours' THEN
        RAISE EXCEPTION 'DB_RETENTION is %, too short for roll-ups of an hour: at least %', v_rows, v_shift + interval '4 hours'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- A policy cannot be changed in place.
    CALL remove_columnstore_policy('stock_aggregates', if_exists => true);
    IF v_compress <> '' THEN
        ALTER TABLE stock_aggregates SET (
            timescaledb.enable_columnstore, timescaledb.segmentby = 'symbol', timescaledb.orderby = 'window_start DESC'
        );
        CALL add_columnstore_policy('stock_aggregates', after => v_compress::interval);
    END IF;
    PERFORM remove_retention_policy('stock_aggregates', if_exists => true);
    PERFORM remove_retention_policy('breakout_alerts', if_exists => true);
    IF v_rows IS NOT NULL THEN
        PERFORM add_retention_policy('stock_aggregates', v_rows);
        PERFORM add_retention_policy('breakout_alerts', v_rows);
    END IF;
    FOR v_name, v_width, v_every IN VALUES
        ('stock_5min', interval '5 minutes', interval '1 minute'),
        ('stock_15min', interval '15 minutes', interval '5 minutes'),
        ('stock_1hour', interval '1 hour', interval '10 minutes')
    LOOP
        -- Made for other windows, before there were rows.
        IF obj_description(to_regclass(v_name || '_bars'), 'pg_class') <> v_made_for THEN
            EXECUTE format('DROP MATERIALIZED VIEW %I CASCADE', v_name || '_bars');
        END IF;
        IF to_regclass(v_name || '_bars') IS NULL THEN
            EXECUTE format($view$
                CREATE MATERIALIZED VIEW %1$I WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
                SELECT time_bucket(%2$L::interval, a.window_start, "offset" => %3$L::interval) AS shifted, a.symbol,
                    first(a.bar_open, a.window_start) FILTER (WHERE a.bar_open IS NOT NULL) AS open_price,
                    max(a.bar_high) AS max_price, min(a.bar_low) AS min_price,
                    last(a.bar_close, a.window_start) FILTER (WHERE a.bar_close IS NOT NULL) AS close_price,
                    sum(a.bar_volume) AS total_volume, sum(a.bar_trades)::bigint AS trade_count,
                    sum(a.bar_notional) AS notional, sum(a.bar_notional_size) AS notional_size
                FROM stock_aggregates a
                WHERE a.bar_trades > 0
                GROUP BY 1, 2
                WITH NO DATA
                $view$, v_name || '_bars', v_width, - v_shift);
            EXECUTE format('COMMENT ON VIEW %I IS %L', v_name || '_bars', v_made_for);
        END IF;
        PERFORM remove_continuous_aggregate_policy(v_name || '_bars', if_exists => true);
        -- All rows that are kept: only buckets whose rows changed are computed again, however late the change came. What is newer
        -- than the end is summed up when it is asked for, corrections included.
        PERFORM add_continuous_aggregate_policy(v_name || '_bars',
            start_offset => v_rows, end_offset => v_width + v_shift + interval '5 minutes', schedule_interval => v_every);
        PERFORM remove_retention_policy(v_name || '_bars', if_exists => true);
        IF v_rollups IS NOT NULL THEN
            PERFORM add_retention_policy(v_name || '_bars', v_rollups);
        END IF;
        EXECUTE format($view$
            CREATE OR REPLACE VIEW %1$I AS
            SELECT b.shifted + %3$L::interval AS bucket, b.symbol, b.open_price, b.max_price, b.min_price, b.close_price,
                b.notional::double precision / nullif(b.notional_size, 0) AS avg_price, b.total_volume, b.trade_count
            FROM %2$I b
            $view$, v_name || '_agg', v_name || '_bars', v_shift);
    END LOOP;
END
$$;
