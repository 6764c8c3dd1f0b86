//! How the producer role writes to Kafka.

use super::Kind::{Whole, Word};
use super::Preset::Is;
use super::{MINUTE, Setting, open};

/// The client library counts in 32 bits.
const I32_MAX: u64 = 2_147_483_647;
/// One mebibyte.
const MIB: u64 = 1 << 20;

pub(super) static SETTINGS: &[Setting] = &[
    open(
        "ACKS_CONFIG",
        Word(&["all", "1", "0"]),
        Is("all"),
        "Who must have a record before it counts as written. Anything but `all` can lose or repeat records when a \
         broker fails, and a repeated trade counts twice.",
    ),
    open(
        "COMPRESSION_TYPE",
        Word(&["snappy", "lz4", "zstd", "gzip", "none"]),
        Is("snappy"),
        "Compression of everything that tape writes to Kafka.",
    ),
    open(
        "LINGER_MS",
        Whole { min: 0, max: MINUTE, unit: "milliseconds" },
        Is("10"),
        "How long a batch waits for more records.",
    ),
    open(
        "BATCH_SIZE",
        Whole { min: 1, max: I32_MAX, unit: "bytes" },
        Is("32768"),
        "Largest batch of a partition.",
    ),
    open(
        "BUFFER_MEMORY",
        Whole { min: MIB, max: I32_MAX, unit: "bytes" },
        Is("33554432"),
        "Records that may wait for the broker before the source is made to wait; at least `BATCH_SIZE`.",
    ),
    open(
        "RETRIES",
        Whole { min: 1, max: I32_MAX, unit: "" },
        Is("2147483647"),
        "How often a failed send is tried again before it is an error. The time of delivery limits it earlier.",
    ),
    open(
        "SPOOL_LIMIT",
        Whole { min: 0, max: 1 << 40, unit: "bytes" },
        Is("4294967296"),
        "Size of the queue on disk, in `spool` below `STATE_DIR`, that takes the records of a live feed while the brokers are \
         away. 0 = none; what does not fit is dropped and counted.",
    ),
    open(
        "TRADE_FORMAT",
        Word(&["json", "protobuf"]),
        Is("json"),
        "Shape of the values on the raw-trades topic; the processor reads both.",
    ),
];
