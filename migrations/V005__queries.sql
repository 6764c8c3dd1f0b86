-- The questions that users ask, as one view and functions.

-- Newest window of each symbol. Walks the primary key from symbol to symbol, so its cost grows with the number of
-- symbols and not with the number of rows.
CREATE OR REPLACE VIEW latest_prices AS
WITH RECURSIVE symbols (symbol) AS (
    (SELECT a.symbol FROM stock_aggregates a ORDER BY a.symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT a.symbol FROM stock_aggregates a WHERE a.symbol > s.symbol ORDER BY a.symbol LIMIT 1)
    FROM symbols s
    WHERE s.symbol IS NOT NULL
)
SELECT newest.symbol, newest.window_start, newest.avg_price, newest.ma_5min, newest.total_volume
FROM symbols s
CROSS JOIN LATERAL (
    SELECT a.symbol, a.window_start, a.avg_price, a.ma_5min, a.total_volume
    FROM stock_aggregates a
    WHERE a.symbol = s.symbol
    ORDER BY a.window_start DESC
    LIMIT 1
) newest;

COMMENT ON VIEW latest_prices IS 'Newest window of each symbol, open windows included.';

-- Final windows that lie on the given side of their moving average while the window one slide earlier lay on the
-- other. The processor judges a cross when a window closes, against the closed window before it: the same rows.
CREATE OR REPLACE FUNCTION crosses_to(p_side integer, p_symbol text, p_hours double precision)
RETURNS TABLE (symbol text, "timestamp" timestamptz, current_price double precision, window_avg double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT w.symbol, w.window_end, w.avg_price, w.ma_5min
    FROM settings s
    JOIN stock_aggregates w ON w.is_final AND w.side = p_side
    JOIN stock_aggregates before ON before.symbol = w.symbol
        AND before.window_start = w.window_start - s.slide_duration
        AND before.is_final
        AND before.side = -p_side
    WHERE p_side <> 0
        AND (p_symbol IS NULL OR w.symbol = p_symbol)
        AND (p_hours IS NULL OR w.window_end > now() - make_interval(secs => p_hours * 3600))
    ORDER BY w.window_end, w.symbol
$$;

CREATE OR REPLACE FUNCTION get_golden_crosses(p_symbol text DEFAULT NULL, p_hours double precision DEFAULT NULL)
RETURNS TABLE (symbol text, "timestamp" timestamptz, current_price double precision, window_avg double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.symbol, c."timestamp", c.current_price, c.window_avg FROM crosses_to(1, p_symbol, p_hours) c
$$;

CREATE OR REPLACE FUNCTION get_death_crosses(p_symbol text DEFAULT NULL, p_hours double precision DEFAULT NULL)
RETURNS TABLE (symbol text, "timestamp" timestamptz, current_price double precision, window_avg double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.symbol, c."timestamp", c.current_price, c.window_avg FROM crosses_to(-1, p_symbol, p_hours) c
$$;

COMMENT ON FUNCTION crosses_to(integer, text, double precision) IS
    'Crosses to one side (1 golden, -1 death); get_golden_crosses and get_death_crosses are its users.';
COMMENT ON FUNCTION get_golden_crosses(text, double precision) IS
    'Golden crosses of a symbol (NULL: all) whose window ended within the last hours (NULL: ever), oldest first.';
COMMENT ON FUNCTION get_death_crosses(text, double precision) IS
    'Death crosses of a symbol (NULL: all) whose window ended within the last hours (NULL: ever), oldest first.';

-- Windows of one symbol, oldest first; either bound may be NULL.
CREATE OR REPLACE FUNCTION get_price_history(
    p_symbol text, p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL
)
RETURNS TABLE (
    window_start timestamptz, window_end timestamptz, avg_price double precision, close_price double precision,
    ma_5min double precision, total_volume double precision, side smallint, is_final boolean
)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT a.window_start, a.window_end, a.avg_price, a.close_price, a.ma_5min, a.total_volume, a.side, a.is_final
    FROM stock_aggregates a
    WHERE a.symbol = p_symbol
        AND a.window_start >= coalesce(p_from, '-infinity')
        AND a.window_start < coalesce(p_to, 'infinity')
    ORDER BY a.window_start
$$;

COMMENT ON FUNCTION get_price_history(text, timestamptz, timestamptz) IS
    'Windows of a symbol that start in [from, to), oldest first; NULL: no bound.';

-- Candles of any length, from bars (windows overlap, bars do not): each bar lies in the interval of its start.
CREATE OR REPLACE FUNCTION get_price_history_by_interval(
    p_symbol text, p_interval interval, p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL
)
RETURNS TABLE (
    bucket timestamptz, open double precision, high double precision, low double precision,
    close double precision, volume double precision, trades bigint, vwap double precision
)
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    v_slide  interval;
    v_window interval;
    v_origin CONSTANT timestamptz := '1970-01-01T00:00:00Z';
BEGIN
    SELECT s.slide_duration, s.window_duration INTO STRICT v_slide, v_window FROM settings s;
    IF p_interval IS NULL OR extract(epoch FROM p_interval) <= 0
        OR extract(epoch FROM p_interval) % extract(epoch FROM v_slide) <> 0
    THEN
        RAISE EXCEPTION 'the interval % is no positive multiple of the slide %', p_interval, v_slide
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    SELECT b.bucket,
        (array_agg(b.bar_open ORDER BY b.bar_start) FILTER (WHERE b.bar_open IS NOT NULL))[1],
        max(b.bar_high),
        min(b.bar_low),
        (array_agg(b.bar_close ORDER BY b.bar_start DESC) FILTER (WHERE b.bar_close IS NOT NULL))[1],
        sum(b.bar_volume),
        sum(b.bar_trades)::bigint,
        sum(b.bar_notional)::double precision / nullif(sum(b.bar_notional_size), 0)
    FROM (
        SELECT date_bin(p_interval, a.window_end - v_slide, v_origin) AS bucket, a.window_end - v_slide AS bar_start,
            a.bar_open, a.bar_high, a.bar_low, a.bar_close, a.bar_volume, a.bar_trades, a.bar_notional,
            a.bar_notional_size
        FROM stock_aggregates a
        WHERE a.symbol = p_symbol
            AND a.bar_trades > 0
            AND a.window_start >= coalesce(p_from, '-infinity') - (v_window - v_slide)
            AND a.window_start < coalesce(p_to, 'infinity') - (v_window - v_slide)
    ) b
    GROUP BY b.bucket
    ORDER BY b.bucket;
END
$$;

COMMENT ON FUNCTION get_price_history_by_interval(text, interval, timestamptz, timestamptz) IS
    'Candles of a symbol from bars that start in [from, to), oldest first; the interval is a multiple of the slide, aligned to the epoch.';
