-- What the rows of this database were computed with. `tape migrate` writes the one row; a sink with other
-- values refuses to start, and so does `tape migrate` once there are rows.

CREATE TABLE IF NOT EXISTS settings (
    only_row        boolean     NOT NULL DEFAULT true
        CONSTRAINT settings_pkey PRIMARY KEY
        CONSTRAINT settings_one_row CHECK (only_row),
    slide_duration  interval    NOT NULL
        CONSTRAINT settings_slide_positive CHECK (slide_duration > interval '0'),
    window_duration interval    NOT NULL
        CONSTRAINT settings_window_covers_slide CHECK (window_duration >= slide_duration),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE settings IS 'One row: what the rows of this database were computed with.';
COMMENT ON COLUMN settings.only_row IS 'Always true: keeps the table at one row.';
COMMENT ON COLUMN settings.slide_duration IS 'Distance of windows (SLIDE_DURATION), in hours, minutes and seconds, never days.';
COMMENT ON COLUMN settings.window_duration IS 'Length of a window (WINDOW_DURATION), in hours, minutes and seconds, never days.';
COMMENT ON COLUMN settings.updated_at IS 'When the row was last written.';
