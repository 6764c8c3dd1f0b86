//! The outbox against a log that it cannot tell from Kafka's: whatever happens to clients and to the process, the log has each
//! record that was not dropped once, in order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tape_kafka::Error;
use tape_proto::partition::partition;
use tempfile::TempDir;

use super::{Broker, Fate, Outbox, PATIENCE};
use crate::cursor::Cursor;
use crate::spool::{Entry, Spool};

const PARTITIONS: i32 = 3;
const KEYS: [&[u8]; 5] = [b"A", b"B", b"C", b"D", b"E"];
const SOURCE: &str = "live-1";

/// Number, key, value.
type Records = Vec<(u64, Vec<u8>, Vec<u8>)>;

/// What is in the log.
#[derive(Default)]
struct Log {
    partitions: BTreeMap<i32, Records>,
}

impl Log {
    fn cursor(&self) -> Cursor {
        let last = |partition: i32| Some(self.partitions.get(&partition)?.last()?.0);
        Cursor::new((0..PARTITIONS).map(last).collect())
    }
}

/// A client: a bounded buffer before the log.
#[derive(Default)]
struct Client {
    buffer: RefCell<BTreeMap<i32, Records>>,
    acknowledged: RefCell<BTreeMap<i32, u64>>,
    room: usize,
}

impl Client {
    fn new(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    /// The brokers take up to `count` records of a partition; `told`: and the client hears of it.
    fn deliver(&self, log: &mut Log, partition: i32, count: usize, told: bool) {
        let mut buffer = self.buffer.borrow_mut();
        let waiting = buffer.entry(partition).or_default();
        let count = count.min(waiting.len());
        log.partitions.entry(partition).or_default().extend(waiting.drain(..count));
        if told {
            *self.acknowledged.borrow_mut().entry(partition).or_default() += count as u64;
        }
    }
}

impl Broker for Client {
    fn partitions(&self) -> i32 {
        PARTITIONS
    }

    fn offer(&self, record: Entry<'_>, partition: i32) -> Result<bool, Error> {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.values().map(Vec::len).sum::<usize>() >= self.room {
            return Ok(false);
        }
        let copy = (record.number, record.key.to_vec(), record.value.to_vec());
        buffer.entry(partition).or_default().push(copy);
        Ok(true)
    }

    fn acknowledged(&self, partition: i32) -> u64 {
        self.acknowledged.borrow().get(&partition).copied().unwrap_or(0)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Turn,
    Wait,
    Deliver(i32, usize),
    /// The client dies, after the brokers took so much of each partition that it never heard of.
    LoseClient(usize),
    /// The process stops in order, and starts again.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..KEYS.len()).prop_map(Step::Push),
        2 => Just(Step::Turn),
        1 => Just(Step::Wait),
        3 => (0..PARTITIONS, 0..6_usize).prop_map(|(partition, count)| Step::Deliver(partition, count)),
        1 => (0..4_usize).prop_map(Step::LoseClient),
        1 => (0..4_usize).prop_map(Step::Restart),
    ]
}

struct World {
    folder: TempDir,
    with_spool: bool,
    outbox: Option<Outbox>,
    client: Client,
    log: Log,
    pushed: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    count: u32,
    now: Duration,
}

impl World {
    fn new(with_spool: bool, room: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut world = Self {
            folder,
            with_spool,
            outbox: None,
            client: Client::new(room),
            log: Log::default(),
            pushed: BTreeMap::new(),
            count: 0,
            now: Duration::ZERO,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let mut next = 0;
        let spool = self.with_spool.then(|| {
            let (spool, found) = Spool::open(self.folder.path(), 1 << 30).expect("it opens");
            next = found.numbers.map_or(0, |(_, last)| last + 1);
            spool
        });
        let logged = self.log.partitions.values().flatten().map(|record| record.0 + 1).max().unwrap_or(0);
        let mut outbox = Outbox::new(spool, SOURCE.to_owned(), next.max(logged), 1 << 20);
        outbox.resume(self.log.cursor());
        self.outbox = Some(outbox);
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.outbox.as_mut().expect("it is open")
    }

    /// What the brokers took of the old client is in the log; the rest of its buffer is gone.
    fn drop_client(&mut self, taken: usize) {
        for partition in 0..PARTITIONS {
            self.client.deliver(&mut self.log, partition, taken, false);
        }
        self.client = Client::new(self.client.room);
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Push(key) => {
                let value = self.count.to_string().into_bytes();
                self.count += 1;
                let outbox = self.outbox.as_mut().expect("it is open");
                let fate = outbox.push(Some(&self.client), (KEYS[key], &value), now).expect("the disk works");
                assert_ne!(fate, Fate::Dropped);
                self.pushed.entry(KEYS[key].to_vec()).or_default().push(value);
            }
            Step::Turn => self.turn(),
            Step::Wait => {
                self.now += PATIENCE * 2;
                self.turn();
            }
            Step::Deliver(partition, count) => self.client.deliver(&mut self.log, partition, count, true),
            Step::LoseClient(taken) => {
                assert_eq!(self.outbox().lost().expect("the disk works"), 0);
                self.drop_client(taken);
                let cursor = self.log.cursor();
                self.outbox().resume(cursor);
            }
            Step::Restart(taken) if self.with_spool => {
                self.turn();
                self.outbox().save().expect("the disk works");
                self.outbox = None;
                self.drop_client(taken);
                self.open();
            }
            Step::Restart(_) => {}
        }
    }

    fn turn(&mut self) {
        let outbox = self.outbox.as_mut().expect("it is open");
        outbox.turn(Some(&self.client), self.now).expect("the disk works");
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.outbox().is_settled() {
                return;
            }
            for partition in 0..PARTITIONS {
                self.client.deliver(&mut self.log, partition, usize::MAX, true);
            }
            self.turn();
        }
        panic!("it never settles: {:?}", self.outbox().figures());
    }

    fn check(&self) {
        let mut logged: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (place, records) in &self.log.partitions {
            assert!(records.is_sorted_by(|before, after| before.0 < after.0), "{records:?}");
            for (_, key, value) in records {
                assert_eq!(*place, partition(key, PARTITIONS));
                logged.entry(key.clone()).or_default().push(value.clone());
            }
        }
        assert_eq!(logged, self.pushed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_is_written_once_and_in_order(
        with_spool: bool,
        room in 1..20_usize,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(with_spool, room);
        for step in &steps {
            world.take(step);
        }
        world.settle();
        world.check();
        let figures = world.outbox().figures();
        prop_assert_eq!((figures.in_flight, figures.memory_bytes, figures.spooled), (0, 0, 0));
    }
}

/// A process that is killed after ten seconds of an outage has lost nothing that came before.
#[test]
fn what_waits_for_long_is_on_disk_without_an_orderly_stop() {
    let mut world = World::new(true, 4);
    (0..10).for_each(|number| world.take(&Step::Push(number % KEYS.len())));
    assert!(world.outbox().is_spilling(), "the buffer holds four");
    world.now += Duration::from_secs(1);
    world.turn();
    // As a crash leaves it: nobody says goodbye, and the buffer of the client is gone.
    std::mem::forget(world.outbox.take());
    let folder = TempDir::new().expect("a folder");
    for file in std::fs::read_dir(world.folder.path()).expect("it is there") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), folder.path().join(file.file_name())).expect("a copy");
    }
    world.folder = folder;
    world.client = Client::new(100);
    world.open();
    world.settle();
    world.check();
}

#[test]
fn without_room_a_record_is_dropped_and_nothing_else_is() {
    let mut outbox = Outbox::new(None, SOURCE.to_owned(), 0, 10);
    let none: Option<&Client> = None;
    let mut push = |value: &[u8]| outbox.push(none, (b"A", value), Duration::ZERO).expect("no disk");
    assert_eq!(push(b"123456789"), Fate::Waits);
    assert_eq!(push(b"1"), Fate::Dropped);
    let client = Client::new(100);
    outbox.turn(Some(&client), Duration::ZERO).expect("no disk");
    assert_eq!(outbox.push(Some(&client), (b"A", b"2"), Duration::ZERO).expect("no disk"), Fate::Dropped);
    let mut log = Log::default();
    client.deliver(&mut log, partition(b"A", PARTITIONS), 1, true);
    outbox.turn(Some(&client), Duration::ZERO).expect("no disk");
    assert_eq!(outbox.push(Some(&client), (b"A", b"3"), Duration::ZERO).expect("no disk"), Fate::Sent);
}
