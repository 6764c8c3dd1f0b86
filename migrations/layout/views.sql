-- What the roll-ups mean, whatever stands behind them. Run at every migration, last.

DO $$
DECLARE
    v_view text;
    v_width text;
BEGIN
    FOR v_view, v_width IN VALUES ('stock_5min_agg', '5 minutes'), ('stock_15min_agg', '15 minutes'), ('stock_1hour_agg', '1 hour')
    LOOP
        EXECUTE format('COMMENT ON VIEW %I IS %L', v_view,
            format('Candles of %s, from bars: a bar lies in the bucket of its start.', v_width));
        EXECUTE format('COMMENT ON COLUMN %I.bucket IS %L', v_view, 'First instant of the bucket, a multiple of its width since the epoch.');
        EXECUTE format('COMMENT ON COLUMN %I.symbol IS %L', v_view, 'Symbol, 1 to 32 bytes.');
        EXECUTE format('COMMENT ON COLUMN %I.open_price IS %L', v_view, 'Open of the first bar with a price, in units of the price; NULL without one.');
        EXECUTE format('COMMENT ON COLUMN %I.max_price IS %L', v_view, 'Highest price, in units of the price; NULL without a price.');
        EXECUTE format('COMMENT ON COLUMN %I.min_price IS %L', v_view, 'Lowest price, in units of the price; NULL without a price.');
        EXECUTE format('COMMENT ON COLUMN %I.close_price IS %L', v_view, 'Close of the last bar with a price, in units of the price; NULL without one.');
        EXECUTE format('COMMENT ON COLUMN %I.avg_price IS %L', v_view, 'Volume-weighted mean price, in units of the price; NULL without volume.');
        EXECUTE format('COMMENT ON COLUMN %I.total_volume IS %L', v_view, 'Size of all volume-eligible records, in shares (coins, contracts).');
        EXECUTE format('COMMENT ON COLUMN %I.trade_count IS %L', v_view, 'Number of records.');
    END LOOP;
END
$$;

-- One row is too little for autovacuum ever to look at; without figures the planner takes it for hundreds, and then reads whole tables
-- where it should follow an index.
ANALYZE settings;
