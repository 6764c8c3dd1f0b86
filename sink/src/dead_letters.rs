//! The way of refused records to their topic. A letter counts as delivered once the brokers acknowledged it (`acks=all`,
//! whatever the producer role uses), and only then may its offset be moved.
//!
//! A crash between the two sends it again: dead letters are at least once.

use std::time::{Duration, Instant};

use tape_kafka::{Clients, Error, Kind, Outgoing, Producer};
use tape_service::Config;
use tape_service::config::Acks;

use crate::entry::{Content, Entry};
use crate::letter::Letter;
use crate::meter::Meter;

/// Longest wait for the brokers' acknowledgement of a batch's letters.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Letters are rare and waited for: no need to collect many.
const LINGER: Duration = Duration::from_millis(5);

/// Sends dead letters.
pub(crate) struct DeadLetters {
    producer: Producer,
    topic: String,
}

impl DeadLetters {
    pub(crate) fn new(clients: &Clients, config: &Config) -> Result<Self, Error> {
        let settings =
            tape_service::config::Producer { acks: Acks::All, linger: LINGER, ..config.producer.clone() };
        Ok(Self { producer: clients.producer(&settings)?, topic: config.topics.sink_dead_letters.clone() })
    }

    /// Sends every letter that was not delivered yet and waits for all of them.
    pub(crate) fn deliver(&self, entries: &mut [Entry], meter: &Meter) -> Result<(), Error> {
        let mut waiting = false;
        for entry in entries.iter() {
            if let Content::Refused { letter, delivered: false } = &entry.content {
                self.send(letter)?;
                waiting = true;
            }
        }
        if !waiting {
            return Ok(());
        }
        self.producer.flush(DELIVERY_TIMEOUT)?;
        for entry in entries {
            if let Content::Refused { delivered, .. } = &mut entry.content
                && !*delivered
            {
                *delivered = true;
                meter.dead_letter(entry.slot.table);
            }
        }
        Ok(())
    }

    fn send(&self, letter: &Letter) -> Result<(), Error> {
        let headers: Vec<(&str, Option<&[u8]>)> =
            letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let outgoing = Outgoing {
            topic: &self.topic,
            partition: None,
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &headers,
            timestamp: None,
        };
        let deadline = Instant::now() + DELIVERY_TIMEOUT;
        loop {
            match self.producer.send(&outgoing) {
                Err(error) if matches!(error.kind, Kind::QueueFull) && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }
}
