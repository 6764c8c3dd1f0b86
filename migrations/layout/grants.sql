-- Run after every migration: what a sink's role and a reader's role may do, for those of them that exist.
-- The roles themselves are made by whoever runs the server.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tape_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON stock_aggregates, breakout_alerts, sink_offsets TO tape_writer;
        GRANT SELECT ON settings, latest_prices, refinery_schema_history TO tape_writer;
        -- Not there where continuous aggregates do its work.
        IF to_regclass('rollup_stale') IS NOT NULL THEN
            GRANT SELECT, INSERT, UPDATE ON rollup_stale TO tape_writer;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tape_reader') THEN
        GRANT SELECT ON stock_aggregates, breakout_alerts, sink_offsets, settings, latest_prices, stock_5min_agg, stock_15min_agg,
            stock_1hour_agg TO tape_reader;
        -- Inside the views' function tables are read with the rights of whoever asks.
        IF to_regclass('bar_rollups') IS NOT NULL THEN
            GRANT SELECT ON bar_rollups, rollup_stale TO tape_reader;
        END IF;
    END IF;
END
$$;
