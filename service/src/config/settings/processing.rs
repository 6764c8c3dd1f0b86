//! Windows, alerts, and the processor around them.

use super::Kind::{Decimal, Duration, Name, Path, Whole, Word};
use super::Preset::{Derived, Is};
use super::{DAY, MINUTE, MONTH, Setting, open};

/// A band of 100 % or more would never be left downwards.
const BPS_MAX: u64 = 9_999;
/// More prices than any window can hold.
const TRADES_MAX: u64 = 1_000_000_000_000;
/// Far above any volume; in 1e-9 units it fits 128 bits with room to spare.
const VOLUME_MAX: u64 = 1_000_000_000_000_000_000;
/// Each worker is a thread with two Kafka clients.
pub(crate) const WORKERS_MAX: u64 = 64;

pub(super) static SETTINGS: &[Setting] = &[
    open(
        "WINDOW_DURATION",
        Duration { min: 1, max: MONTH },
        Is("5m"),
        "Length of a window. A multiple of `SLIDE_DURATION`, at most 1440 times as long. Existing state keeps its own: \
         a change needs `tape reset`.",
    ),
    open(
        "SLIDE_DURATION",
        Duration { min: 1, max: MONTH },
        Is("1m"),
        "Distance from one window to the next, and length of a bar. Existing state keeps its own.",
    ),
    open(
        "WATERMARK_DELAY",
        Duration { min: 0, max: MONTH },
        Is("1m"),
        "How long, in event time, a window stays open after its end. A record later than this may find no open window: \
         then it is counted as late and not in any row.",
    ),
    open(
        "MAX_FUTURE",
        Duration { min: 0, max: MONTH },
        Derived("`10s`, or `WATERMARK_DELAY` when that is shorter"),
        "How far an event time may lie ahead of its record's timestamp; what is further ahead is rejected, so that a \
         wrong clock closes no window. At most `WATERMARK_DELAY`.",
    ),
    open(
        "IDLE_TIMEOUT",
        Duration { min: 0, max: DAY },
        Is("30s"),
        "Silence after which a partition that was read to its end goes on closing windows by the clock. 0: never.",
    ),
    open(
        "OUTPUT_MODE",
        Word(&["append", "update", "complete"]),
        Is("update"),
        "Rows that leave: only final ones (`append`), open windows that changed too (`update`), or all open windows too \
         (`complete`).",
    ),
    open(
        "TRIGGER_INTERVAL",
        Duration { min: 0, max: DAY },
        Is("1s"),
        "How often open windows are shown, by the clock, and once more when the processor stops. 0: at every commit.",
    ),
    open(
        "OUTPUT_FORMAT",
        Word(&["protobuf", "json"]),
        Is("protobuf"),
        "Shape of rows and alerts on their topics; readers accept both.",
    ),
];

pub(super) static ALERTS: &[Setting] = &[
    open(
        "BREAKOUT_BAND_BPS",
        Whole { min: 0, max: BPS_MAX, unit: "1/10000 of the average" },
        Is("5"),
        "How far a price must leave the window's average to break out.",
    ),
    open(
        "CROSS_BAND_BPS",
        Whole { min: 0, max: BPS_MAX, unit: "1/10000 of the moving average" },
        Is("2"),
        "How far an average must leave its moving average to change sides.",
    ),
    open(
        "ALERT_MIN_TRADES",
        Whole { min: 1, max: TRADES_MAX, unit: "prices" },
        Is("20"),
        "Prices that a window needs before it can break out or change sides. With minute bars at most \
         `WINDOW_DURATION` / `SLIDE_DURATION`, or no price alert can fire.",
    ),
    open(
        "ALERT_COOLDOWN",
        Duration { min: 1, max: MONTH },
        Is("60s"),
        "Least event time between two breakouts of a symbol.",
    ),
    open(
        "HIGH_VOLUME_THRESHOLD",
        Decimal { max: VOLUME_MAX, unit: "shares" },
        Is("1000000"),
        "Volume above which a window alerts.",
    ),
];

pub(super) static PROCESSOR: &[Setting] = &[
    open(
        "COMMIT_INTERVAL",
        Duration { min: 1, max: MINUTE },
        Is("20ms"),
        "Least time between two commits of results, with the state and offsets that belong to them; the first result after a pause is committed at once. Without results state and offsets wait for 100ms, if that is longer; while the input is more than 10,000 records behind, the wait doubles from commit to commit, up to 3s. Shorter than `KAFKA_TRANSACTION_TIMEOUT`.",
    ),
    open(
        "PROCESSING_GUARANTEE",
        Word(&["exactly_once", "at_least_once"]),
        Is("exactly_once"),
        "What a crash may repeat: nothing, or (with less work per commit) records that then count twice. \
         `exactly_once_v2` means `exactly_once`.",
    ),
    open(
        "STATE_DIR",
        Path,
        Derived(
            "`$STATE_DIRECTORY` (systemd sets it), else `$XDG_STATE_HOME/tape`, else `~/.local/state/tape`; for root, or \
             without a home, `/var/lib/tape`",
        ),
        "Folder of the local state. Each processor needs its own, on a disk that survives a restart.",
    ),
    open(
        "WORKERS",
        Whole { min: 1, max: WORKERS_MAX, unit: "" },
        Derived(
            "the number of cores, or `KAFKA_PARTITIONS` when that is less than twice as many; at most 64",
        ),
        "Threads that process; each owns whole partitions.",
    ),
    open(
        "INSTANCE_ID",
        Name,
        Derived("made at the first start and kept in the state folder"),
        "Name of this processor in the group, unique there and the same after a restart; on Kubernetes the pod's name.",
    ),
];
