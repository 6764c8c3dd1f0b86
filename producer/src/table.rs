//! What the producer shows.

use tape_service::metrics::Metric;

/// Metrics of every source.
pub const METRICS: &[Metric] = &[
    Metric::counter("tape_producer_records_total", "records handed to the Kafka client")
        .like("record-send-total"),
    Metric::counter("tape_producer_bytes_total", "bytes of their values").like("outgoing-byte-total"),
    Metric::counter("tape_producer_acknowledged_total", "records that the brokers acknowledged"),
    Metric::counter("tape_producer_skipped_total", "records not sent because the log had them already"),
    Metric::counter(
        "tape_producer_rejected_total",
        "lines of files that are no trades, events that cannot be read",
    ),
    Metric::counter("tape_producer_restarts_total", "new Kafka clients after one was lost"),
    Metric::gauge("tape_producer_in_flight", "records that are not acknowledged yet")
        .like("requests-in-flight"),
    Metric::gauge(
        "tape_producer_event_timestamp_seconds",
        "event time of the last record, since the Unix epoch",
    ),
];

/// Metrics of a live feed besides.
pub const LIVE_METRICS: &[Metric] = &[
    Metric::gauge(
        "tape_producer_connected",
        "1: the cluster's connection is open and subscribed; 0: it is not; NaN: nothing of the cluster is wanted any more",
    )
    .by(&["cluster"]),
    Metric::counter("tape_producer_reconnects_total", "ends of a connection, by cause").by(&["cluster", "cause"]),
    Metric::counter(
        "tape_producer_missing_acks_total",
        "subscriptions that were not acknowledged in time",
    )
    .by(&["cluster"]),
    Metric::counter("tape_producer_slow_consumer_total", "times that the vendor called us slow").by(&["cluster"]),
    Metric::counter(
        "tape_producer_gaps_total",
        "stretches of time that the feed was not followed",
    )
    .by(&["cluster"]),
    Metric::histogram("tape_producer_gap_seconds", "how long they were").by(&["cluster"]),
    Metric::counter("tape_producer_events_total", "trades and bars received, by the vendor's type").by(&["type"]),
    Metric::counter("tape_producer_ignored_events_total", "events of other types").by(&["type"]),
    Metric::counter("tape_producer_decode_errors_total", "events that could not be read, by reason").by(&["reason"]),
    Metric::counter("tape_producer_unknown_conditions_total", "sale conditions without a rule"),
    Metric::counter(
        "tape_producer_missing_trades_total",
        "trades that a venue has numbered and the feed did not bring",
    ),
    Metric::histogram(
        "tape_producer_delay_seconds",
        "time from the exchange (of a bar: from its end) to the hand-over to the Kafka client",
    ),
    Metric::counter("tape_producer_dropped_frames_total", "frames that found no room in memory").by(&["cluster"]),
    Metric::counter(
        "tape_producer_dropped_records_total",
        "records that found no room in memory or on disk",
    ),
    Metric::gauge("tape_producer_waiting_frame_bytes", "frames that are not read yet"),
    Metric::gauge("tape_producer_memory_bytes", "records that only memory holds"),
    Metric::gauge("tape_producer_spooled_records", "records that wait on disk"),
    Metric::gauge("tape_producer_spool_bytes", "size of the queue on disk"),
    Metric::gauge("tape_producer_spool_limit_bytes", "most that the queue on disk may take (SPOOL_LIMIT)"),
];

/// Metrics of `MASSIVE_BACKFILL` besides.
pub const BACKFILL_METRICS: &[Metric] = &[
    Metric::counter("tape_producer_backfill_gaps_total", "gaps of a symbol, by what became of them")
        .by(&["fate"]),
    Metric::counter("tape_producer_backfill_trades_total", "trades of backfills, by what became of them")
        .by(&["fate"]),
    Metric::counter("tape_producer_backfill_calls_total", "calls of the vendor's REST interface"),
    Metric::counter("tape_producer_backfill_failures_total", "calls that brought no page"),
    Metric::counter(
        "tape_producer_backfill_forgotten_total",
        "trades that could not be remembered and may be published twice",
    ),
    Metric::gauge("tape_producer_backfill_pending", "gaps of a symbol that wait"),
    Metric::gauge("tape_producer_backfill_oldest_seconds", "how long the oldest of them waits"),
    Metric::gauge("tape_producer_backfill_held_bytes", "live trades that wait for a backfill"),
];
