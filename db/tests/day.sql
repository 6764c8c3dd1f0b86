-- A day as the pipeline would have left it, for the tests of the boards: windows of five minutes, one each minute, the newest ones
-- still open, and the alerts that belong to them. Prices are sums of sines, so every run makes the same curve, and averages cross.
-- tape.symbols: how many. tape.minutes: how far back from now; 1440 when it is not set.
-- Rows are written in the order of time, as a sink writes them: those of one symbol lie far apart, and reading them costs what it does.

CREATE TEMPORARY TABLE day_windows ON COMMIT DROP AS
WITH span AS (
    SELECT current_setting('tape.symbols')::integer AS symbols,
        coalesce(nullif(current_setting('tape.minutes', true), ''), '1440')::integer AS minutes,
        date_trunc('minute', now()) AS newest
), bars AS (
    -- Four minutes more at the front: the first window needs its bars, too.
    SELECT n, m, newest - make_interval(mins => minutes - m) AS bar_start,
        (10 + n % 490) * (1 + 0.02 * sin(m / (6.0 + n % 17) + n) + 0.002 * sin(1.7 * m + n)) AS price,
        (100 + (n * 7919 + m * 104729) % 900) * CASE WHEN (m + n * 37) % 720 < 5 THEN 1000.0 ELSE 10.0 END AS volume,
        10 + (n + m) % 40 AS trades
    FROM span, generate_series(1, symbols) AS n, generate_series(-3, minutes + 4) AS m
), windows AS (
    SELECT n, m, bar_start, price, volume, trades,
        avg(price) OVER five AS avg_price, max(price) OVER five AS high, min(price) OVER five AS low,
        sum(volume) OVER five AS total_volume, sum(trades) OVER five AS trade_count, first_value(price) OVER five AS open_price
    FROM bars
    WINDOW five AS (PARTITION BY n ORDER BY m ROWS 4 PRECEDING)
), averaged AS (
    SELECT *, avg(avg_price) OVER (PARTITION BY n ORDER BY m ROWS 4 PRECEDING) AS ma FROM windows
), sided AS (
    SELECT *, sign(avg_price - ma)::smallint AS side FROM averaged
)
SELECT 'S' || lpad(n::text, 4, '0') AS symbol, n, m, bar_start,
    bar_start - interval '4 minutes' AS window_start, bar_start + interval '1 minute' AS window_end,
    price, volume, trades, avg_price, high, low, open_price, total_volume, trade_count, ma, side,
    lag(side) OVER (PARTITION BY n ORDER BY m) AS side_before,
    lag(total_volume) OVER (PARTITION BY n ORDER BY m) AS volume_before,
    -- The bar of an open window lies in the future.
    bar_start <= now() AS has_bar, bar_start + interval '2 minutes' <= now() AS is_final
FROM sided
WHERE m > 0;

INSERT INTO stock_aggregates (symbol, window_start, window_end, avg_price, max_price, min_price, open_price, close_price, vwap,
    total_volume, trade_count, ma_5min, side, bar_open, bar_high, bar_low, bar_close, bar_volume, bar_trades, bar_notional,
    bar_notional_size, is_final, revision, closed_by, created_at, updated_at)
SELECT d.symbol, d.window_start, d.window_end, d.avg_price, d.high, d.low, d.open_price, d.price, d.avg_price,
    d.total_volume, d.trade_count, d.ma, d.side, bar.price, bar.price * 1.001, bar.price * 0.999, bar.price, coalesce(bar.volume, 0),
    coalesce(bar.trades, 0), coalesce((bar.price * bar.volume)::numeric, 0), coalesce(bar.volume, 0), d.is_final, d.m,
    CASE WHEN d.is_final THEN 'RECORD' END, d.window_start + interval '1 second',
    least(d.window_end + interval '61 seconds', now())
FROM day_windows d
LEFT JOIN LATERAL (SELECT d.price, d.volume, d.trades WHERE d.has_bar) bar ON true
ORDER BY d.window_start, d.symbol;

-- Crosses when the window closes, a minute after its end; the others when they happen.
INSERT INTO breakout_alerts (symbol, "timestamp", current_price, window_avg, signal, type, created_at)
SELECT a.symbol, a.at, a.price, a.average, a.signal, a.type, a.written
FROM (
    SELECT symbol, window_end AS at, avg_price AS price, ma AS average, CASE side WHEN 1 THEN 'BULLISH' ELSE 'BEARISH' END AS signal,
        CASE side WHEN 1 THEN 'golden_cross' ELSE 'death_cross' END AS type, window_end + interval '61 seconds' AS written
    FROM day_windows
    WHERE is_final AND side <> 0 AND side = - side_before
    UNION ALL
    SELECT symbol, bar_start + make_interval(secs => n % 60), price, avg_price, 'NEUTRAL', 'high_volume',
        bar_start + make_interval(secs => n % 60 + 1)
    FROM day_windows
    WHERE total_volume > 1000000 AND volume_before <= 1000000
    UNION ALL
    SELECT symbol, bar_start + make_interval(secs => (n * 7) % 60), price, avg_price,
        CASE WHEN price > avg_price THEN 'BULLISH' ELSE 'BEARISH' END, 'breakout',
        bar_start + make_interval(secs => (n * 7) % 60 + 1)
    FROM day_windows
    WHERE (n * 17 + m * 31) % 97 = 0
) a
WHERE a.written <= now()
ORDER BY a.written, a.symbol;

INSERT INTO sink_offsets (group_id, topic, partition, next_offset)
SELECT 'tape-sink', topic, partition, 1000
FROM unnest(ARRAY['stock-aggregates', 'breakout-alerts']) AS topic, generate_series(0, 2) AS partition;

-- What the sink marks; the hours that are over are then rolled up by the caller, each in a transaction of its own.
INSERT INTO rollup_stale (hour, writer)
SELECT DISTINCT date_bin('1 hour', bar_start, 'epoch'::timestamptz), 1 FROM day_windows WHERE has_bar;
