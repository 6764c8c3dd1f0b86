//! From effects to bytes on their way to Kafka.

use std::hint::black_box;

use tape_analytics::{Alert, Row};
use tape_processor::codec;
use tape_proto::dead_letter::{DeadLetter, Record};
use tape_proto::output::OutputFormat;
use tape_proto::{aggregate, alert, partition as partitioner};

use super::each;
use super::floor::Floor;
use crate::Work;
use crate::market::Swing;

/// Partitions of a topic.
const PARTITIONS: i32 = 12;

/// Writes things one after the other into one buffer, as the outbox does.
struct Encode<T> {
    things: Vec<T>,
    write: fn(&T, &mut Vec<u8>),
    out: Vec<u8>,
}

impl<T> Work for Encode<T> {
    fn arrange(&mut self) {
        self.out.clear();
    }

    fn run(&mut self) -> u64 {
        for thing in &self.things {
            (self.write)(thing, &mut self.out);
        }
        black_box(self.out.len());
        self.things.len() as u64
    }
}

fn rows(write: fn(&Row, &mut Vec<u8>)) -> Box<dyn Work> {
    let (things, _) = Floor::new(Swing::Wild).next_effects();
    Box::new(Encode { things, write, out: Vec::new() })
}

fn alerts(write: fn(&Alert, &mut Vec<u8>)) -> Box<dyn Work> {
    let (_, things) = Floor::new(Swing::Wild).next_effects();
    assert!(things.len() > 100, "a wild market has alerts");
    Box::new(Encode { things, write, out: Vec::new() })
}

pub(super) fn row_protobuf() -> Box<dyn Work> {
    rows(|row, out| aggregate::encode(&codec::row_message(row), OutputFormat::Protobuf, out))
}

pub(super) fn row_json() -> Box<dyn Work> {
    rows(|row, out| aggregate::encode(&codec::row_message(row), OutputFormat::Json, out))
}

pub(super) fn alert_protobuf() -> Box<dyn Work> {
    alerts(|row, out| alert::encode(&codec::alert_message(row), OutputFormat::Protobuf, out))
}

pub(super) fn alert_json() -> Box<dyn Work> {
    alerts(|row, out| alert::encode(&codec::alert_message(row), OutputFormat::Json, out))
}

/// The dead letter of a record without headers.
pub(super) fn dead_letter() -> Box<dyn Work> {
    each((0..1_000).collect(), |offset| {
        let record = Record {
            topic: "raw-trades",
            partition: 3,
            offset: *offset,
            timestamp: Some(1_700_000_000_000),
            key: Some(b"AAPL"),
            value: Some(br#"{"symbol":"AAPL","price":-1.5,"size":3,"timestamp":1}"#),
            headers: Vec::new(),
        };
        let message = "price -1.5 is out of range: it must be above 0 and at most 9000000000";
        black_box(DeadLetter::new(record, "price_range", message));
    })
}

/// The partition of a symbol.
pub(super) fn partition() -> Box<dyn Work> {
    let (rows, _) = Floor::new(Swing::Calm).next_effects();
    each(rows, |row| {
        black_box(partitioner::partition(black_box(row.symbol.as_bytes()), PARTITIONS));
    })
}
