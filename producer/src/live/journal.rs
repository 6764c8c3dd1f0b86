//! What happens to a connection, as lines of the log and as numbers.

use std::time::{Duration, SystemTime};

use metrics::{counter, histogram};
use tracing::{error, info, warn};

use crate::session::Notice;

/// Channels that a line of the log names at most.
const NAMED_MAX: usize = 20;

/// The journal of one cluster.
#[derive(Debug)]
pub(crate) struct Journal {
    cluster: &'static str,
    /// Frames dropped in a row because nobody took them, and their bytes.
    overrun: (u64, u64),
}

impl Journal {
    pub(crate) fn new(cluster: &'static str) -> Self {
        for name in [
            "tape_producer_missing_acks_total",
            "tape_producer_slow_consumer_total",
            "tape_producer_gaps_total",
            "tape_producer_dropped_frames_total",
        ] {
            counter!(name, "cluster" => cluster).increment(0);
        }
        Self { cluster, overrun: (0, 0) }
    }

    /// `now` on the clock that the notice's times are read from.
    pub(crate) fn note(&mut self, notice: &Notice, now: Duration) {
        let cluster = self.cluster;
        match notice {
            Notice::Opened => info!(cluster, "connected"),
            Notice::Authenticated => info!(cluster, "the key was accepted; subscribing"),
            Notice::Confirmed { count } => info!(cluster, channels = count, "subscribed"),
            Notice::Streaming => info!(cluster, "streaming"),
            Notice::MissingAcks(channels) => {
                counter!("tape_producer_missing_acks_total", "cluster" => cluster)
                    .increment(channels.len() as u64);
                let named = channels[..channels.len().min(NAMED_MAX)].join(", ");
                warn!(
                    cluster,
                    missing = channels.len(),
                    channels = named,
                    "the server has not acknowledged these; does the plan hold them, are the tickers right?"
                );
            }
            Notice::Lost { cause, code, detail, .. } => {
                counter!("tape_producer_reconnects_total", "cluster" => cluster, "cause" => cause.name())
                    .increment(1);
                warn!(cluster, cause = cause.name(), code, detail, "the connection ended");
            }
            Notice::Retry { after, attempt } => info!(cluster, ?after, attempt, "connecting again"),
            Notice::Gap { from, to } => self.gap(*from, *to, now),
            Notice::CoolingDown { until, cause } => error!(
                cluster,
                cause = cause.name(),
                pause = ?until.saturating_sub(now),
                "the vendor allows one connection per cluster and account, and another one is there: is a second producer \
                 running with this key, or another key of this account?"
            ),
            Notice::SlowConsumer(message) => {
                counter!("tape_producer_slow_consumer_total", "cluster" => cluster).increment(1);
                warn!(
                    cluster,
                    message, "the vendor says that we read too slowly, and will close the connection"
                );
            }
            Notice::Refused(message) => error!(cluster, message, "the vendor refuses the key"),
            Notice::AuthRequired(message) => warn!(cluster, message, "the vendor wants the key again"),
            Notice::SubscriptionError(message) => {
                warn!(cluster, message, "the vendor refuses a subscription")
            }
            Notice::UnknownStatus { status, message } => {
                warn!(cluster, status, message, "a status that the protocol does not know");
            }
        }
    }

    /// A frame found no room.
    pub(crate) fn overrun(&mut self, bytes: usize) {
        counter!("tape_producer_dropped_frames_total", "cluster" => self.cluster).increment(1);
        self.overrun.0 += 1;
        self.overrun.1 += bytes as u64;
        if self.overrun.0.is_power_of_two() {
            let (frames, bytes) = self.overrun;
            error!(
                cluster = self.cluster,
                frames, bytes, "frames dropped: they come faster than they can be read"
            );
        }
    }

    fn gap(&self, from: Duration, to: Duration, now: Duration) {
        let at = |time: Duration| SystemTime::now() - now.saturating_sub(time);
        let words = |time| humantime::format_rfc3339_millis(at(time)).to_string();
        let length = to.saturating_sub(from);
        counter!("tape_producer_gaps_total", "cluster" => self.cluster).increment(1);
        histogram!("tape_producer_gap_seconds", "cluster" => self.cluster).record(length.as_secs_f64());
        warn!(
            cluster = self.cluster,
            from = words(from),
            to = words(to),
            seconds = length.as_secs_f64(),
            "what the feed sent between these times was missed"
        );
    }
}
