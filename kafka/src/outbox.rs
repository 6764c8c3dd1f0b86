//! The sending half that both producers share: a librdkafka producer with a thread that serves its reports.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use crate::deliveries::{Deliveries, TRACKED, UNTRACKED};
use crate::error::{Error, Facts};
use crate::raw;

/// One turn of waiting for room in a full buffer. The crate cuts what is left of a wait to whole milliseconds, so
/// its last one is spent awake: 1 ms would burn a core for as long as a broker is away.
const ROOM_POLL: Duration = Duration::from_millis(10);

/// A record to be sent. Everything is copied by the send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition; `None` = by murmur2 of the key, as Java clients do (without a key: any).
    pub partition: Option<i32>,
    /// Key; `None` = null.
    pub key: Option<&'a [u8]>,
    /// Value; `None` = null (a tombstone on a compacted topic).
    pub value: Option<&'a [u8]>,
    /// Headers, in this order; a value may be null.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Timestamp in epoch milliseconds, > 0; `None` = now. Topics with `LogAppendTime` ignore it.
    pub timestamp: Option<i64>,
}

/// A producer with its own thread for delivery reports, without which a full buffer would never empty and an abort
/// would wait for its whole time-out.
pub(crate) struct Outbox {
    pub(crate) producer: ThreadedProducer<Deliveries>,
    tracked_topic: Option<String>,
}

impl Outbox {
    pub(crate) fn new(
        config: &ClientConfig,
        action: &str,
        tracked_topic: Option<String>,
    ) -> Result<Self, Error> {
        let producer = config
            .create_with_context(Deliveries::new())
            .map_err(|error| Error::from_kafka(action, &error))?;
        Ok(Self { producer, tracked_topic })
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        self.producer.client().context()
    }

    /// Puts a record into the buffer; waits for room, `patience` at most.
    pub(crate) fn send(&self, outgoing: &Outgoing<'_>, patience: Duration) -> Result<(), Error> {
        let tracked = self.tracked_topic.as_deref() == Some(outgoing.topic);
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord {
            topic: outgoing.topic,
            partition: outgoing.partition,
            payload: outgoing.value,
            key: outgoing.key,
            timestamp: outgoing.timestamp,
            headers: headers(outgoing.headers),
            delivery_opaque: if tracked { TRACKED } else { UNTRACKED },
        };
        let mut deadline = None;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    let now = Instant::now();
                    if now >= *deadline.get_or_insert(now + patience) {
                        return Err(Error::queue_full(write_to(outgoing)));
                    }
                    self.producer.poll(ROOM_POLL);
                    record = returned;
                }
                Err((error, _)) => return Err(self.explain_send(outgoing, &error)),
            }
        }
    }

    /// Why the client is dead, if it is.
    pub(crate) fn fatal(&self) -> Option<Facts> {
        raw::fatal_error(self.producer.client().native_client())
    }

    fn explain_send(&self, outgoing: &Outgoing<'_>, error: &KafkaError) -> Error {
        if let Some(facts) = self.fatal() {
            return Error::from_facts(write_to(outgoing), &facts);
        }
        Error::from_kafka(write_to(outgoing), error)
    }
}

fn write_to(outgoing: &Outgoing<'_>) -> String {
    match outgoing.partition {
        Some(partition) => format!("write to {}[{partition}]", outgoing.topic),
        None => format!("write to topic {}", outgoing.topic),
    }
}

fn headers(list: &[(&str, Option<&[u8]>)]) -> Option<OwnedHeaders> {
    if list.is_empty() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(list.len());
    for (key, value) in list {
        headers = headers.insert(Header { key, value: *value });
    }
    Some(headers)
}
