-- Run after every migration: what a sink's role and a reader's role may do, for those of them that exist.
-- The roles themselves are made by whoever runs the server.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tape_writer') THEN
        GRANT SELECT, INSERT, UPDATE ON stock_aggregates, breakout_alerts, sink_offsets TO tape_writer;
        GRANT SELECT ON settings, latest_prices TO tape_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tape_reader') THEN
        GRANT SELECT ON stock_aggregates, breakout_alerts, sink_offsets, settings, latest_prices TO tape_reader;
    END IF;
END
$$;
