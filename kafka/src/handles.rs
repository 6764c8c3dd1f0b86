//! A group consumer's hold on librdkafka: the queues, the client, and the two operations that need care with both,
//! seek and close.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::context::Rebalance;
use crate::error::Facts;
use crate::lanes::Lanes;
use crate::lists::{offsets, plain};
use crate::part::Part;
use crate::raw::{self, Consumer, Queue};

/// Pause before a seek is tried again that came before the fetcher had started.
const SEEK_AGAIN: Duration = Duration::from_millis(2);

/// In this order they are dropped: queues, then the client.
pub(crate) struct Handles {
    /// The assigned partitions, each with its fetch queue.
    pub(crate) lanes: Lanes<Queue>,
    /// What the started partitions are forwarded to.
    pub(crate) ready: Queue,
    pub(crate) client: Arc<Consumer>,
}

/// An event that the caller has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    Assign,
    Unassign,
}

impl Owed {
    pub(crate) fn of(rebalance: &Rebalance) -> Self {
        match rebalance {
            Rebalance::Assign(_) => Self::Assign,
            Rebalance::Revoke(_) | Rebalance::Lose(_) => Self::Unassign,
        }
    }
}

impl Handles {
    pub(crate) fn new(client: Arc<Consumer>) -> Self {
        Self { lanes: Lanes::new(), ready: Queue::new(&client), client }
    }

    /// Moves the fetcher of a partition that is ours. What was fetched before is stale from here on. After an error
    /// the partition is parked, since nobody knows what would come.
    pub(crate) fn seek(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Facts> {
        let Some(lane) = self.lanes.get_mut(part) else {
            return Err(Facts::of(RDKafkaErrorCode::UnknownPartition));
        };
        let outcome = seek(&self.client, part, offset, timeout);
        match outcome {
            Ok(()) => lane.next = offset,
            Err(_) => {
                lane.open = false;
                lane.queue.park();
            }
        }
        outcome
    }

    /// Gives everything back, answers what is still owed, and closes in a thread of its own: closing can wait for a
    /// coordinator that is away. False = still closing after `timeout`.
    pub(crate) fn close(self, owed: Option<Owed>, timeout: Duration, group: &str) -> bool {
        let parts: Vec<Part> = self.lanes.iter().map(|lane| lane.part.clone()).collect();
        // An error here means that the client is dead, and then nobody waits for answers.
        if !parts.is_empty() || owed == Some(Owed::Unassign) {
            let _ = raw::incremental_unassign(&self.client, &plain(&parts));
        }
        if owed == Some(Owed::Assign) {
            let _ = raw::incremental_assign(&self.client, &TopicPartitionList::new());
        }
        self.client.context().close();
        let (done, wait) = channel();
        let closer = thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
            drop(self);
            // Nobody waits any more: that is what the time-out means.
            let _ = done.send(());
        });
        if let Err(error) = closer {
            tracing::warn!(group, "no thread to close the consumer with ({error}); closed in place");
            return true;
        }
        match wait.recv_timeout(timeout) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    group,
                    "still closing the consumer after {timeout:?}; it goes on in the background"
                );
                false
            }
        }
    }
}

/// A seek can come before librdkafka's thread has started the fetcher, or while it stops: then it is tried again.
fn seek(client: &Consumer, part: &Part, offset: i64, timeout: Duration) -> Result<(), Facts> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let list = offsets(&[(part.clone(), offset)], || format!("seek {part}"))
            .map_err(|_| Facts::of(RDKafkaErrorCode::InvalidArgument))?;
        raw::seek(client, &list, left.max(SEEK_AGAIN))?;
        let refused = list.elements().iter().find_map(|element| match element.error() {
            Err(KafkaError::OffsetFetch(code)) => Some(code),
            _ => None,
        });
        match refused {
            None => return Ok(()),
            Some(
                RDKafkaErrorCode::State | RDKafkaErrorCode::PreviousInProgress | RDKafkaErrorCode::Outdated,
            ) if Instant::now() < deadline => {
                thread::sleep(SEEK_AGAIN);
            }
            Some(code) => return Err(Facts::of(code)),
        }
    }
}
