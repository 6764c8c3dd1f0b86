//! PostgreSQL and the sink's batches.

use super::Kind::{Duration, Host, Text, Whole};
use super::Preset::Is;
use super::{DAY, HOUR, MINUTE, Setting, YEAR, open, secret};

/// PostgreSQL itself is happy with a few hundred.
const POOL_MAX: u64 = 1_000;
/// One statement takes all rows of a batch; beyond this it only holds locks longer.
const ROWS_MAX: u64 = 100_000;
/// One kibibyte.
const KIB: u64 = 1 << 10;
/// One gibibyte: PostgreSQL refuses larger messages.
const GIB: u64 = 1 << 30;
/// Highest port.
pub(super) const PORT_MAX: u64 = 65_535;

pub(super) static SETTINGS: &[Setting] = &[
    open("DB_HOST", Host, Is("localhost"), "Where PostgreSQL is."),
    open("DB_PORT", Whole { min: 1, max: PORT_MAX, unit: "" }, Is("5432"), "Port of PostgreSQL."),
    open("DB_NAME", Text("a database name"), Is("stockdb"), "Database."),
    open("DB_USER", Text("a role name"), Is("tape"), "Role to log in as."),
    secret("DB_PASSWORD", "the password", "Password of the role, if the server asks for one."),
    open(
        "DB_POOL_MAX",
        Whole { min: 1, max: POOL_MAX, unit: "connections" },
        Is("20"),
        "Most connections of one process.",
    ),
    open(
        "DB_CONNECT_TIMEOUT",
        Duration { min: 1, max: 10 * MINUTE },
        Is("30s"),
        "How long a connection may take to open.",
    ),
    open(
        "DB_IDLE_TIMEOUT",
        Duration { min: 0, max: DAY },
        Is("10m"),
        "An unused connection is closed after this. 0: never.",
    ),
    open(
        "DB_MAX_LIFETIME",
        Duration { min: 0, max: DAY },
        Is("30m"),
        "A connection is replaced after this. 0: never.",
    ),
    open(
        "DB_CHUNK_INTERVAL",
        Duration { min: HOUR, max: YEAR },
        Is("7d"),
        "Length of a chunk (TimescaleDB) or partition (PostgreSQL) that is made from now on.",
    ),
    open(
        "DB_COMPRESS_AFTER",
        Duration { min: 0, max: 100 * YEAR },
        Is("7d"),
        "Age at which TimescaleDB compresses windows. 0: never.",
    ),
    open(
        "DB_RETENTION",
        Duration { min: 0, max: 100 * YEAR },
        Is("30d"),
        "Age at which windows and alerts are deleted from the database. 0: never.",
    ),
    open(
        "DB_ROLLUP_RETENTION",
        Duration { min: 0, max: 100 * YEAR },
        Is("365d"),
        "Age at which roll-ups (5 minutes, 15 minutes, 1 hour) are deleted. 0: never.",
    ),
    open(
        "SINK_BATCH_ROWS",
        Whole { min: 1, max: ROWS_MAX, unit: "rows" },
        Is("5000"),
        "Most rows of one SQL transaction.",
    ),
    open(
        "SINK_BATCH_BYTES",
        Whole { min: KIB, max: GIB, unit: "bytes" },
        Is("4194304"),
        "Most bytes of records in one SQL transaction.",
    ),
    open(
        "SINK_LINGER",
        Duration { min: 0, max: MINUTE },
        Is("200ms"),
        "How long the sink waits for a full batch.",
    ),
];
