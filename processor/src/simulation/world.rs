//! The world of a simulated worker: its calls become questions to the [`Cluster`](super::cluster::Cluster), each of them a
//! place where it may die, wait, or be told no.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tape_kafka::{Error, GroupSpec, Isolation, Outgoing, Part, Reaction, Record, TxnSpec};
use tape_service::config;
use tape_state::{Disk, StoreError, Usage};

use super::cluster::{Entry, Place, Refused};
use super::disk::SimStore;
use super::fleet::{Sim, Ticket, ms};
use super::member::SimGroup;
use crate::ports::{Changelog, Plain, Transactions, World};

/// The world of one life of a process.
#[derive(Clone)]
pub(super) struct SimWorld {
    pub(super) sim: Rc<Sim>,
    pub(super) ticket: Ticket,
}

impl SimWorld {
    pub(super) fn point(&self) {
        self.sim.point(self.ticket);
    }

    /// Waits for the broker.
    pub(super) fn reach(&self, what: &str, timeout: Duration) -> Result<(), Error> {
        match self.sim.reach(self.ticket, timeout) {
            false => Err(said(Reaction::Retry, what, "timed out")),
            true if self.sim.hiccup() => Err(said(Reaction::Retry, what, "coordinator not available")),
            true => Ok(()),
        }
    }

    fn end(&self, part: &Part, isolation: Isolation) -> i64 {
        let (cluster, place) = (self.sim.cluster.borrow(), place(part));
        match isolation {
            Isolation::ReadCommitted => cluster.stable_end(&place),
            Isolation::ReadUncommitted => cluster.end(&place),
        }
    }
}

impl World for SimWorld {
    type Group = SimGroup;
    type Changelog = SimChangelog;
    type Transactions = SimTransactions;
    type Plain = SimPlain;
    type Store = SimStore;

    fn now(&self) -> Instant {
        self.sim.now()
    }

    fn sleep(&self, _pause: Duration) {
        // Backoffs have jitter of their own; here chance must follow from the seed.
        self.sim.let_others_run(self.sim.random(10, 200));
        self.point();
    }

    fn join(&self, spec: GroupSpec) -> Result<SimGroup, Error> {
        self.point();
        Ok(SimGroup::new(self.clone(), spec.instance_id.expect("static members")))
    }

    fn changelog(&self) -> Result<SimChangelog, Error> {
        Ok(SimChangelog { world: self.clone(), positions: BTreeMap::new() })
    }

    fn transactions(&self, id: &str, spec: TxnSpec) -> Result<SimTransactions, Error> {
        Ok(SimTransactions {
            world: self.clone(),
            id: id.to_owned(),
            timeout: ms(spec.transaction_timeout),
            epoch: Cell::new(None),
            stage: Cell::new(Stage::Idle),
            unsent: RefCell::default(),
            acked: RefCell::default(),
            tracked: spec.tracked_topic.expect("the changelog is tracked"),
        })
    }

    fn plain(&self, _settings: &config::Producer) -> Result<SimPlain, Error> {
        Ok(SimPlain { world: self.clone(), unsent: RefCell::default() })
    }

    fn log_starts(&self, parts: &[Part], timeout: Duration) -> Result<Vec<i64>, Error> {
        self.reach("log starts", timeout)?;
        Ok(vec![0; parts.len()])
    }

    fn log_ends(&self, parts: &[Part], isolation: Isolation, timeout: Duration) -> Result<Vec<i64>, Error> {
        self.reach("log ends", timeout)?;
        Ok(parts.iter().map(|part| self.end(part, isolation)).collect())
    }

    fn open_store(&self, partition: i32) -> Result<SimStore, StoreError> {
        SimStore::open(&self.sim, self.ticket, partition)
    }

    fn set_aside(&self, partition: i32) -> Result<PathBuf, StoreError> {
        self.sim.set_aside(self.ticket, partition);
        Ok(PathBuf::new())
    }

    fn room(&self) -> (Usage, Option<Disk>) {
        (Usage { cache_bytes: 0, write_buffer_bytes: 0 }, None)
    }
}

/// Reads the changelog, read committed.
pub(super) struct SimChangelog {
    world: SimWorld,
    positions: BTreeMap<i32, i64>,
}

impl Changelog for SimChangelog {
    fn assign(&mut self, part: &Part, offset: i64, timeout: Duration) -> Result<(), Error> {
        self.world.reach("assign", timeout)?;
        self.positions.insert(part.partition, offset);
        Ok(())
    }

    fn unassign(&mut self, part: &Part) {
        self.positions.remove(&part.partition);
    }

    fn poll(&mut self, max: usize, timeout: Duration, f: &mut dyn FnMut(Record<'_>)) -> Result<usize, Error> {
        self.world.point();
        if self.world.sim.hiccup() {
            return Err(said(Reaction::Retry, "read", "broker down"));
        }
        if !self.world.sim.reach(self.world.ticket, timeout) {
            return Ok(0);
        }
        let topic = "changelog";
        let (mut handed_out, most) = (0, self.world.sim.random(1, 40).min(max as u64));
        for (partition, position) in &mut self.positions {
            let taken = take(&self.world, &(topic.to_owned(), *partition), position, most);
            for (offset, entry) in taken {
                handed_out += 1;
                f(record(topic, *partition, offset, &entry));
            }
        }
        if handed_out == 0 {
            self.world.sim.let_others_run(self.world.sim.random(0, ms(timeout)));
        }
        Ok(handed_out)
    }

    fn position(&self, part: &Part) -> Option<i64> {
        self.positions.get(&part.partition).copied()
    }
}

/// Moves a position over so many records at most; what is not visible is passed.
pub(super) fn take(world: &SimWorld, place: &Place, position: &mut i64, most: u64) -> Vec<(i64, Entry)> {
    let cluster = world.sim.cluster.borrow();
    let end = cluster.stable_end(place);
    let mut taken = Vec::new();
    while *position < end && (taken.len() as u64) < most {
        let entry = cluster.entry(place, *position);
        if cluster.is_visible(entry) {
            taken.push((*position, entry.clone()));
        }
        *position += 1;
    }
    taken
}

/// When every record of a history was written: 2026, so that only poison lies in its future.
const APPEND_TIME: i64 = 1_780_000_000_000;

pub(super) fn record<'a>(topic: &'a str, partition: i32, offset: i64, entry: &'a Entry) -> Record<'a> {
    Record::detached(topic, partition, offset, entry.key.as_deref(), entry.value.as_deref())
        .with_timestamp(APPEND_TIME, true)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// In this transaction.
    Open(usize),
    /// Only an abort helps.
    Broken(usize),
    Dead,
}

/// A transactional producer. Records wait in it and are sent whenever it pleases, in order, at the latest when they must.
pub(super) struct SimTransactions {
    world: SimWorld,
    id: String,
    timeout: u64,
    epoch: Cell<Option<u32>>,
    stage: Cell<Stage>,
    unsent: RefCell<Vec<(Place, Entry)>>,
    acked: RefCell<BTreeMap<i32, i64>>,
    tracked: String,
}

impl SimTransactions {
    fn open(&self, what: &str) -> Result<usize, Error> {
        match self.stage.get() {
            Stage::Open(txn) => Ok(txn),
            Stage::Broken(_) => Err(said(Reaction::Abort, what, "the transaction must be aborted")),
            Stage::Idle | Stage::Dead => Err(said(Reaction::Fatal, what, "no transaction")),
        }
    }

    fn check(&self, txn: usize, what: &str) -> Result<(), Error> {
        let epoch = self.epoch.get().unwrap_or(0);
        self.world.sim.cluster.borrow().check(&self.id, epoch, txn).map_err(|_| {
            self.stage.set(Stage::Dead);
            said(Reaction::Fenced, what, "a newer producer, or the transaction timed out")
        })
    }

    fn deliver(&self, txn: usize) -> Result<(), Error> {
        self.check(txn, "deliver")?;
        let mut cluster = self.world.sim.cluster.borrow_mut();
        for (place, entry) in self.unsent.borrow_mut().drain(..) {
            let partition = (place.0 == self.tracked).then_some(place.1);
            let offset = cluster.append(place, Entry { txn: Some(txn), ..entry });
            if let Some(partition) = partition {
                self.acked.borrow_mut().insert(partition, offset);
            }
        }
        Ok(())
    }

    fn fail(&self, txn: usize, reaction: Reaction, what: &str) -> Error {
        self.stage.set(if reaction == Reaction::Abort { Stage::Broken(txn) } else { Stage::Dead });
        said(reaction, what, "made to fail")
    }
}

impl Transactions<SimGroup> for SimTransactions {
    fn init(&self, timeout: Duration) -> Result<(), Error> {
        self.world.reach("init", timeout)?;
        let sim = &self.world.sim;
        let epoch = sim.cluster.borrow_mut().init(&self.id, &mut || sim.mark_time());
        self.world.point();
        match epoch {
            Ok(epoch) => {
                self.epoch.set(Some(epoch));
                Ok(())
            }
            Err(Refused::Concurrent | Refused::Fenced) => {
                self.world.sim.let_others_run(100);
                Err(said(Reaction::Retry, "init", "concurrent transactions"))
            }
        }
    }

    fn begin(&self) -> Result<(), Error> {
        self.world.point();
        if self.stage.get() != Stage::Idle || self.epoch.get().is_none() {
            return Err(said(Reaction::Fatal, "begin", "not ready for a transaction"));
        }
        // The first request of the new transaction would be told to come again.
        while self.world.sim.cluster.borrow().is_ending(&self.id) {
            self.world.sim.let_others_run(5);
            self.world.point();
        }
        let until = self.world.sim.now_ms() + self.timeout;
        let txn = self.world.sim.cluster.borrow_mut().begin(&self.id, until);
        self.stage.set(Stage::Open(txn));
        self.acked.borrow_mut().clear();
        Ok(())
    }

    fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Error> {
        self.world.point();
        let txn = self.open("send")?;
        if self.world.sim.hiccup() {
            let reaction = if self.world.sim.chance(3) { Reaction::Fatal } else { Reaction::Abort };
            return Err(self.fail(txn, reaction, "send"));
        }
        self.unsent.borrow_mut().push(owned(outgoing));
        let away = self.world.sim.now_ms() < self.world.sim.cluster.borrow().away_until;
        if !away && self.world.sim.chance(4) {
            self.deliver(txn)?;
        }
        Ok(())
    }

    fn send_offsets(
        &self,
        offsets: &[(Part, i64)],
        group: &SimGroup,
        timeout: Duration,
    ) -> Result<(), Error> {
        self.world.reach("send offsets", timeout)?;
        let txn = self.open("send offsets")?;
        if self.world.sim.hiccup() || !group.is_member() {
            return Err(self.fail(txn, Reaction::Abort, "send offsets"));
        }
        self.check(txn, "send offsets")?;
        let offsets = offsets.iter().map(|(part, offset)| (part.partition, *offset));
        tracing::debug!(id = self.id, txn, offsets = ?offsets.clone().collect::<Vec<_>>(), "SIM offsets");
        self.world.sim.cluster.borrow_mut().add_offsets(txn, offsets);
        self.world.point();
        Ok(())
    }

    fn commit(&self, timeout: Duration) -> Result<(), Error> {
        self.world.reach("commit", timeout)?;
        let txn = self.open("commit")?;
        self.deliver(txn)?;
        // Between the last record and the coordinator's decision.
        self.world.point();
        self.check(txn, "commit")?;
        let sim = &self.world.sim;
        if sim.hiccup() {
            // The answer is lost; the question may be, too.
            if sim.chance(2) {
                sim.cluster.borrow_mut().decide(txn, true, &mut || sim.now_ms() + sim.random(0, 3_000));
            }
            self.stage.set(Stage::Dead);
            return Err(said(Reaction::Retry, "commit", "timed out"));
        }
        // The coordinator answers when it has decided, before the marks are written.
        sim.cluster.borrow_mut().decide(txn, true, &mut || sim.mark_time());
        tracing::debug!(ms = sim.now_ms(), id = self.id, txn, "SIM commits");
        self.stage.set(Stage::Idle);
        // Between the broker's yes and the store.
        self.world.point();
        Ok(())
    }

    fn abort(&self, timeout: Duration) -> Result<(), Error> {
        self.world.reach("abort", timeout)?;
        self.unsent.borrow_mut().clear();
        match self.stage.get() {
            Stage::Open(txn) | Stage::Broken(txn) => {
                self.check(txn, "abort")?;
                let sim = &self.world.sim;
                sim.cluster.borrow_mut().decide(txn, false, &mut || sim.mark_time());
                self.stage.set(Stage::Idle);
                Ok(())
            }
            Stage::Idle => Ok(()),
            Stage::Dead => Err(said(Reaction::Fatal, "abort", "the producer is dead")),
        }
    }

    fn acked_offset(&self, partition: i32) -> Option<i64> {
        self.acked.borrow().get(&partition).copied()
    }
}

/// A producer without transactions.
pub(super) struct SimPlain {
    world: SimWorld,
    unsent: RefCell<Vec<(Place, Entry)>>,
}

impl Plain for SimPlain {
    fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Error> {
        self.world.point();
        self.unsent.borrow_mut().push(owned(outgoing));
        Ok(())
    }

    fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.world.reach("flush", timeout)?;
        let mut cluster = self.world.sim.cluster.borrow_mut();
        for (place, entry) in self.unsent.borrow_mut().drain(..) {
            cluster.append(place, entry);
        }
        Ok(())
    }
}

fn owned(outgoing: &Outgoing<'_>) -> (Place, Entry) {
    let partition = outgoing.partition.unwrap_or(0);
    let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers = outgoing.headers.iter().map(|(name, value)| ((*name).to_owned(), bytes(*value))).collect();
    let entry =
        Entry { key: bytes(outgoing.key), value: bytes(outgoing.value), headers, txn: None, marker: false };
    ((outgoing.topic.to_owned(), partition), entry)
}

pub(super) fn place(part: &Part) -> Place {
    (part.topic.to_string(), part.partition)
}

pub(super) fn said(reaction: Reaction, what: &str, why: &str) -> Error {
    tracing::debug!(?reaction, what, why, "SIM says no");
    Error::detached(reaction, what, why)
}
