-- The same crosses, found by the time of their window: the bound on window_start lets the server look into few partitions or chunks, and
-- the settings, asked for as values, do not mislead its planner about how many rows will come.

CREATE OR REPLACE FUNCTION crosses_to(p_side integer, p_symbol text, p_hours double precision)
RETURNS TABLE (symbol text, "timestamp" timestamptz, current_price double precision, window_avg double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT w.symbol, w.window_end, w.avg_price, w.ma_5min
    FROM stock_aggregates w
    JOIN stock_aggregates before ON before.symbol = w.symbol
        AND before.window_start = w.window_start - (SELECT s.slide_duration FROM settings s)
        AND before.is_final
        AND before.side = -p_side
    WHERE p_side <> 0
        AND w.is_final
        AND w.side = p_side
        AND (p_symbol IS NULL OR w.symbol = p_symbol)
        AND (p_hours IS NULL OR (
            w.window_end > now() - make_interval(secs => p_hours * 3600)
            AND w.window_start > now() - make_interval(secs => p_hours * 3600) - (SELECT s.window_duration FROM settings s)
            AND before.window_start > now() - make_interval(secs => p_hours * 3600)
                - (SELECT s.window_duration + s.slide_duration FROM settings s)
        ))
    ORDER BY w.window_end, w.symbol
$$;
