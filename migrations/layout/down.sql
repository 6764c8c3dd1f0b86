-- `tape migrate --down`: takes everything away that `tape migrate` made, rows included.

DROP VIEW IF EXISTS stock_5min_agg, stock_15min_agg, stock_1hour_agg, latest_prices;
DO $$
DECLARE
    v_name text;
BEGIN
    -- Continuous aggregates go with a statement of their own.
    FOREACH v_name IN ARRAY ARRAY['stock_5min_bars', 'stock_15min_bars', 'stock_1hour_bars'] LOOP
        IF to_regclass(v_name) IS NOT NULL THEN
            EXECUTE format('DROP MATERIALIZED VIEW %I', v_name);
        END IF;
    END LOOP;
END
$$;
DROP FUNCTION IF EXISTS get_golden_crosses(text, double precision), get_death_crosses(text, double precision),
    crosses_to(integer, text, double precision), get_price_history(text, timestamptz, timestamptz),
    get_price_history_by_interval(text, interval, timestamptz, timestamptz), refresh_rollups(timestamptz),
    sum_of_bars(interval, timestamptz, timestamptz), tape_partition(text, text, interval), tape_partitions_end(text),
    tape_make_partitions(text, text, interval, timestamptz), tape_drop_before(text, text, timestamptz);
-- So do hypertables.
DROP TABLE IF EXISTS stock_aggregates;
DROP TABLE IF EXISTS breakout_alerts;
DROP TABLE IF EXISTS settings, sink_offsets, bar_rollups, rollup_stale, refinery_schema_history;
