-- One row for each (symbol, window): the table behind `stock-aggregates`.
-- Rows are upserted under the order (is_final, revision): a larger pair replaces a smaller one, nothing else does.
-- The primary key holds the time column, so the table can become a hypertable without a change of keys.
-- Symbols sort by their bytes, as everywhere in the pipeline. Each file of this folder may be run again without harm.

CREATE TABLE IF NOT EXISTS stock_aggregates (
    symbol            text COLLATE "C" NOT NULL
        CONSTRAINT stock_aggregates_symbol_length CHECK (octet_length(symbol) BETWEEN 1 AND 32),
    window_start      timestamptz      NOT NULL,
    window_end        timestamptz      NOT NULL,
    avg_price         double precision,
    max_price         double precision,
    min_price         double precision,
    open_price        double precision,
    close_price       double precision,
    vwap              double precision,
    total_volume      double precision NOT NULL,
    trade_count       bigint           NOT NULL,
    ma_5min           double precision,
    side              smallint         NOT NULL
        CONSTRAINT stock_aggregates_side_known CHECK (side IN (-1, 0, 1)),
    bar_open          double precision,
    bar_high          double precision,
    bar_low           double precision,
    bar_close         double precision,
    bar_volume        double precision NOT NULL,
    bar_trades        bigint           NOT NULL,
    bar_notional      numeric          NOT NULL,
    bar_notional_size double precision NOT NULL,
    is_final          boolean          NOT NULL,
    revision          bigint           NOT NULL,
    closed_by         text
        CONSTRAINT stock_aggregates_closed_by_known CHECK (closed_by IN ('RECORD', 'IDLE', 'END', 'RESCALE')),
    created_at        timestamptz      NOT NULL DEFAULT now(),
    updated_at        timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT stock_aggregates_pkey PRIMARY KEY (symbol, window_start),
    CONSTRAINT stock_aggregates_window_order CHECK (window_end > window_start)
)
-- An open window is rewritten every trigger interval: free space in its page keeps the new version beside the
-- old one and out of the indexes.
WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS stock_aggregates_window_start_idx ON stock_aggregates (window_start DESC);

COMMENT ON TABLE stock_aggregates IS
    'One row for each symbol and window. Windows overlap: never add their volumes up, add bars instead. Doubles are the correctly rounded values of exact decimals.';
COMMENT ON COLUMN stock_aggregates.symbol IS 'Symbol, 1 to 32 bytes.';
COMMENT ON COLUMN stock_aggregates.window_start IS 'First instant of the window, a multiple of the slide since the epoch.';
COMMENT ON COLUMN stock_aggregates.window_end IS 'First instant after the window.';
COMMENT ON COLUMN stock_aggregates.avg_price IS 'Mean price per print, in units of the price; NULL without a price.';
COMMENT ON COLUMN stock_aggregates.max_price IS 'Highest price, in units of the price; NULL without a price.';
COMMENT ON COLUMN stock_aggregates.min_price IS 'Lowest price, in units of the price; NULL without a price.';
COMMENT ON COLUMN stock_aggregates.open_price IS 'Open of the first record that may set last, in units of the price; NULL without one.';
COMMENT ON COLUMN stock_aggregates.close_price IS 'Price of the last record that may set last, in units of the price; NULL without one.';
COMMENT ON COLUMN stock_aggregates.vwap IS 'Volume-weighted mean price, in units of the price; NULL without volume.';
COMMENT ON COLUMN stock_aggregates.total_volume IS 'Size of all volume-eligible records, in shares (coins, contracts).';
COMMENT ON COLUMN stock_aggregates.trade_count IS 'Number of records counted in the window.';
COMMENT ON COLUMN stock_aggregates.ma_5min IS 'Mean of avg_price over the windows of one window length that end here, in units of the price; NULL when none has a price.';
COMMENT ON COLUMN stock_aggregates.side IS 'Trend: 1 bullish, -1 bearish, 0 neutral.';
COMMENT ON COLUMN stock_aggregates.bar_open IS 'Open of the newest slide of the window, in units of the price; NULL when it is empty.';
COMMENT ON COLUMN stock_aggregates.bar_high IS 'High of the newest slide, in units of the price; NULL when it is empty.';
COMMENT ON COLUMN stock_aggregates.bar_low IS 'Low of the newest slide, in units of the price; NULL when it is empty.';
COMMENT ON COLUMN stock_aggregates.bar_close IS 'Close of the newest slide, in units of the price; NULL when it is empty.';
COMMENT ON COLUMN stock_aggregates.bar_volume IS 'Volume of the newest slide, in shares. Bars do not overlap: they may be added up.';
COMMENT ON COLUMN stock_aggregates.bar_trades IS 'Number of records in the newest slide.';
COMMENT ON COLUMN stock_aggregates.bar_notional IS 'Sum of vwap times size over the newest slide, in units of price times shares, exact to 1e-18.';
COMMENT ON COLUMN stock_aggregates.bar_notional_size IS 'Size behind bar_notional, in shares: the VWAP of a longer interval is sum(bar_notional) / sum(bar_notional_size).';
COMMENT ON COLUMN stock_aggregates.is_final IS 'True once the window closed: the row never changes again.';
COMMENT ON COLUMN stock_aggregates.revision IS 'Position in the input log from which the row was computed; orders rows of one key, after is_final.';
COMMENT ON COLUMN stock_aggregates.closed_by IS 'What closed the window: RECORD, IDLE, END or RESCALE; NULL while it is open.';
COMMENT ON COLUMN stock_aggregates.created_at IS 'When the first row of the window was written here; updates keep it.';
COMMENT ON COLUMN stock_aggregates.updated_at IS 'When the row was last changed here.';
