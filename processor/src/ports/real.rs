//! The world as it is: librdkafka, RocksDB, the system's clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use tape_kafka::{
    Admin, Clients, CommitMode, Error, GroupConsumer, GroupEvent, GroupSpec, Isolation, Outgoing, Part,
    Producer, Reaction, Reader, Record, TransactionalProducer, TxnSpec,
};
use tape_service::config;
use tape_state::{Disk, Entry, Shared, StateDir, Store, StoreError, StoreMetrics, Usage};

use super::{Changelog, Changes, Group, Plain, Question, TaskStore, Transactions, World};

/// Clients of one cluster and one state folder.
pub(crate) struct Real {
    pub(crate) clients: Clients,
    /// Questions of all workers that need not wait behind a fetch.
    pub(crate) admin: Arc<Admin>,
    pub(crate) state: StateDir,
    pub(crate) shared: Shared,
}

impl World for Real {
    type Group = GroupConsumer;
    type Changelog = Reader;
    type Transactions = TransactionalProducer;
    type Plain = Producer;
    type Store = Store;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }

    fn join(&self, spec: GroupSpec) -> Result<GroupConsumer, Error> {
        self.clients.group_consumer(spec)
    }

    fn changelog(&self) -> Result<Reader, Error> {
        self.clients.reader(Isolation::ReadCommitted)
    }

    fn transactions(&self, id: &str, spec: TxnSpec) -> Result<TransactionalProducer, Error> {
        self.clients.transactional_producer(id, spec)
    }

    fn plain(&self, settings: &config::Producer) -> Result<Producer, Error> {
        self.clients.producer(settings)
    }

    fn log_starts(&self, parts: &[Part], timeout: Duration) -> Result<Vec<i64>, Error> {
        Ok(self.admin.low_offsets(parts, timeout)?.into_iter().map(|(_, offset)| offset).collect())
    }

    fn log_ends(&self, parts: &[Part], isolation: Isolation, timeout: Duration) -> Result<Vec<i64>, Error> {
        Ok(self.admin.end_offsets(parts, isolation, timeout)?.into_iter().map(|(_, offset)| offset).collect())
    }

    fn open_store(&self, partition: i32) -> Result<Store, StoreError> {
        Store::open(&self.state, partition, &self.shared)
    }

    fn set_aside(&self, partition: i32) -> Result<PathBuf, StoreError> {
        self.state.set_aside(partition)
    }

    fn room(&self) -> (Usage, Option<Disk>) {
        (self.shared.usage(), Disk::of(self.state.path()).ok())
    }
}

impl Group for GroupConsumer {
    fn poll_events(&mut self) -> Result<Vec<GroupEvent>, Error> {
        self.poll_events()
    }

    fn assign(&mut self, parts: &[(Part, i64)]) -> Result<(), Error> {
        self.assign(parts)
    }

    fn unassign(&mut self, parts: &[Part]) -> Result<(), Error> {
        self.unassign(parts)
    }

    fn start(&mut self, part: &Part) -> Result<(), Error> {
        self.start(part)
    }

    fn stop(&mut self, part: &Part, timeout: Duration) -> Result<(), Error> {
        self.stop(part, timeout)
    }

    fn seek(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error> {
        self.seek(part, offset, timeout)
    }

    fn consume(
        &mut self,
        max: usize,
        timeout: Duration,
        f: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, Error> {
        self.consume(max, timeout, f)
    }

    fn position(&self, part: &Part) -> Option<i64> {
        self.position(part)
    }

    fn known_end(&self, part: &Part) -> Option<i64> {
        self.known_end(part)
    }

    fn committed(&self, part: &Part, timeout: Duration) -> Result<Option<i64>, Error> {
        let answers = self.committed(std::slice::from_ref(part), timeout)?;
        Ok(answers.into_iter().find_map(|(found, offset)| (found == *part).then_some(offset)).flatten())
    }

    fn ask_committed(&self, part: &Part, timeout: Duration) -> Question {
        let (answer, part) = (self.ask_committed(part, timeout), part.clone());
        Box::new(move || match answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let action = format!("ask for the committed offset of {part}");
                Some(Err(Error::detached(Reaction::Retry, action, "the question was dropped")))
            }
        })
    }

    fn commit_offsets(&self, offsets: &[(Part, i64)], timeout: Duration) -> Result<(), Error> {
        self.commit_offsets(offsets, CommitMode::Wait(timeout))
    }

    fn close(self, timeout: Duration) -> bool {
        self.close(timeout)
    }
}

impl Changelog for Reader {
    fn assign(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error> {
        self.assign(&[(part.clone(), offset)], timeout)
    }

    fn unassign(&mut self, part: &Part) {
        self.unassign(part);
    }

    fn poll(&mut self, max: usize, timeout: Duration, f: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        self.poll(max, timeout, f)
    }

    fn position(&self, part: &Part) -> Option<i64> {
        self.position(part)
    }
}

impl Transactions<GroupConsumer> for TransactionalProducer {
    fn init(&self, timeout: Duration) -> Result<(), Error> {
        self.init(timeout)
    }

    fn begin(&self) -> Result<(), Error> {
        self.begin()
    }

    fn send(&self, record: &Outgoing<'_>) -> Result<(), Error> {
        self.send(record)
    }

    fn send_offsets(
        &self,
        offsets: &[(Part, i64)],
        group: &GroupConsumer,
        timeout: Duration,
    ) -> Result<(), Error> {
        self.send_offsets(offsets, &group.group_metadata()?, timeout)
    }

    fn commit(&self, timeout: Duration) -> Result<(), Error> {
        self.commit(timeout)
    }

    fn abort(&self, timeout: Duration) -> Result<(), Error> {
        self.abort(timeout)
    }

    fn acked_offset(&self, partition: i32) -> Option<i64> {
        self.acked_offset(partition)
    }
}

impl Plain for Producer {
    fn send(&self, record: &Outgoing<'_>) -> Result<(), Error> {
        self.send(record)
    }

    fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.flush(timeout)
    }
}

impl TaskStore for Store {
    fn changelog_offset(&self) -> Option<i64> {
        self.changelog_offset()
    }

    fn apply(&mut self, changes: Changes<'_, '_>, next_changelog_offset: i64) -> Result<(), StoreError> {
        self.apply(changes, next_changelog_offset)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(key)
    }

    fn entries(&self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), StoreError> {
        self.entries(|entry| {
            visit(entry);
            Ok(())
        })
    }

    fn flush_if_due(&mut self, now: Instant) -> Result<bool, StoreError> {
        self.flush_if_due(now)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.clear()
    }

    fn close(self) -> Result<(), StoreError> {
        self.close()
    }

    fn metrics(&self) -> Result<StoreMetrics, StoreError> {
        self.metrics()
    }
}
