-- One row for each alert. An alert is its key: writing it twice changes nothing.

CREATE TABLE IF NOT EXISTS breakout_alerts (
    symbol        text COLLATE "C" NOT NULL
        CONSTRAINT breakout_alerts_symbol_length CHECK (octet_length(symbol) BETWEEN 1 AND 32),
    "timestamp"   timestamptz NOT NULL,
    current_price double precision,
    window_avg    double precision,
    signal        text        NOT NULL
        CONSTRAINT breakout_alerts_signal_known CHECK (signal IN ('BULLISH', 'BEARISH', 'NEUTRAL')),
    type          text        NOT NULL
        CONSTRAINT breakout_alerts_type_known
        CHECK (type IN ('breakout', 'golden_cross', 'death_cross', 'high_volume')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT breakout_alerts_pkey PRIMARY KEY (symbol, "timestamp", type, signal)
);

CREATE INDEX IF NOT EXISTS breakout_alerts_symbol_timestamp_idx ON breakout_alerts (symbol, "timestamp" DESC);
CREATE INDEX IF NOT EXISTS breakout_alerts_timestamp_idx ON breakout_alerts ("timestamp" DESC);
CREATE INDEX IF NOT EXISTS breakout_alerts_created_at_idx ON breakout_alerts (created_at);

COMMENT ON TABLE breakout_alerts IS
    'One row for each alert. Alerts on a cross are written at least the watermark delay after their timestamp: rules look at created_at.';
COMMENT ON COLUMN breakout_alerts.symbol IS 'Symbol, 1 to 32 bytes.';
COMMENT ON COLUMN breakout_alerts."timestamp" IS 'Event time of the record; for crosses the end of the window.';
COMMENT ON COLUMN breakout_alerts.current_price IS 'Breakout: the price; cross: avg_price; high_volume: close_price, may be NULL. In units of the price.';
COMMENT ON COLUMN breakout_alerts.window_avg IS 'Breakout and high_volume: avg_price of the newest window, may be NULL; cross: ma_5min. In units of the price.';
COMMENT ON COLUMN breakout_alerts.signal IS 'BULLISH, BEARISH or NEUTRAL.';
COMMENT ON COLUMN breakout_alerts.type IS 'breakout, golden_cross, death_cross or high_volume.';
COMMENT ON COLUMN breakout_alerts.created_at IS 'When the alert was written here.';
