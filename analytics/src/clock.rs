//! Stream time and watermark of a task. Both only rise, and both are state: they survive a crash and a move.

/// Stream time, watermark and the boundary that the watermark has to reach before anything can close.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    stream_time: Option<i64>,
    watermark: i64,
    /// Start of the newest window that is closed; every window up to it is.
    closed_until: i64,
    /// Watermark at which `closed_until` moves on. Compared once per record instead of dividing.
    next_boundary: i64,
}

/// Watermark of a task that has none: nothing is late, nothing is closed.
const NO_WATERMARK: i64 = i64::MIN / 4;

impl Clock {
    pub(crate) fn new(
        stream_time: Option<i64>,
        watermark: Option<i64>,
        window_ms: i64,
        slide_ms: i64,
    ) -> Self {
        let mut clock = Clock {
            stream_time,
            watermark: watermark.unwrap_or(NO_WATERMARK),
            closed_until: NO_WATERMARK,
            next_boundary: NO_WATERMARK,
        };
        if watermark.is_some() {
            clock.settle(window_ms, slide_ms);
        }
        clock
    }

    pub(crate) fn stream_time(&self) -> Option<i64> {
        self.stream_time
    }

    pub(crate) fn watermark(&self) -> Option<i64> {
        (self.watermark != NO_WATERMARK).then_some(self.watermark)
    }

    /// The watermark as a number that compares below every event time when there is none.
    pub(crate) fn watermark_or_min(&self) -> i64 {
        self.watermark
    }

    /// Start of the newest closed window; below every window when none is.
    pub(crate) fn closed_until(&self) -> i64 {
        self.closed_until
    }

    /// Moves stream time and watermark by an accepted event time; true when a boundary was crossed.
    pub(crate) fn observe(&mut self, event_time: i64, delay_ms: i64) -> bool {
        if self.stream_time.is_some_and(|time| event_time <= time) {
            return false;
        }
        self.stream_time = Some(event_time);
        self.raise_watermark(event_time - delay_ms)
    }

    /// Raises the watermark; true when a boundary was crossed.
    pub(crate) fn raise_watermark(&mut self, watermark: i64) -> bool {
        self.watermark = self.watermark.max(watermark);
        self.watermark >= self.next_boundary
    }

    /// Recomputes the boundaries after one was crossed.
    pub(crate) fn settle(&mut self, window_ms: i64, slide_ms: i64) {
        let boundary = self.watermark - self.watermark.rem_euclid(slide_ms);
        self.closed_until = boundary - window_ms;
        self.next_boundary = boundary + slide_ms;
    }
}
