-- TimescaleDB of either edition: both big tables are hypertables. Run at every migration; changes nothing the second time.
-- tape.chunk: length of a chunk.

SELECT create_hypertable('stock_aggregates', by_range('window_start', current_setting('tape.chunk')::interval),
    migrate_data => true, if_not_exists => true, create_default_indexes => false);
SELECT create_hypertable('breakout_alerts', by_range('timestamp', current_setting('tape.chunk')::interval),
    migrate_data => true, if_not_exists => true, create_default_indexes => false);
SELECT set_chunk_time_interval('stock_aggregates', current_setting('tape.chunk')::interval);
SELECT set_chunk_time_interval('breakout_alerts', current_setting('tape.chunk')::interval);
