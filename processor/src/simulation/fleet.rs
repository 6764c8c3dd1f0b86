//! The processes of a history, the time that passes, and the faults that meet them.
//!
//! One thread: a worker runs until it calls the world ([`Sim::point`]). There it may die (the stack is unwound, and nothing of
//! it is heard again), stand still, or just be slow while others go on: they run inside the call.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tape_service::{Config, Failure, Health, Shutdown};

use super::cluster::{Cluster, Entry, Place};
use super::dice::Dice;
use super::disk::{Disk, Folder};
use super::weather::Weather;
use super::world::SimWorld;
use crate::commit::CommitOrder;
use crate::context::Context;
use crate::status::Status;
use crate::worker::Worker;

/// Session and transaction time-outs, ms.
pub(super) const SESSION: u64 = 6_000;
/// So deep may workers run inside each other's calls.
const DEPTH_MAX: usize = 3;

/// Which life of which process; after its death nothing that it holds works any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) process: usize,
    life: u32,
}

/// The unwinding of a process that dies.
struct Death;

#[derive(Debug, Default)]
struct Process {
    life: u32,
    disk: Disk,
    /// Not started before this time, ms.
    down_until: u64,
    /// Stands still until this time, ms.
    still_until: u64,
}

struct Slot {
    process: usize,
    number: usize,
    worker: Option<Box<Worker<SimWorld>>>,
    /// Its stack is in use below.
    is_busy: bool,
}

/// One history.
pub(super) struct Sim {
    pub(super) cluster: RefCell<Cluster>,
    dice: RefCell<Dice>,
    clock: Cell<u64>,
    epoch: Instant,
    pub(super) weather: Weather,
    /// No more faults.
    calm: Cell<bool>,
    depth: Cell<usize>,
    faults: Cell<usize>,
    processes: RefCell<Vec<Process>>,
    slots: RefCell<Vec<Slot>>,
    /// Still to be written to the input, in reverse.
    input: RefCell<Vec<(Place, Entry)>>,
    /// When the next of it is written, and the mean time between two writes, ms.
    next_write: Cell<u64>,
    write_interval: u64,
    /// When the faults end, ms.
    pub(super) storm: u64,
    config: Arc<Config>,
    order: CommitOrder,
    shutdown: Shutdown,
    handles: Cell<u64>,
    /// Why a process stopped that should not.
    pub(super) failure: RefCell<Option<String>>,
}

impl Sim {
    pub(super) fn new(
        mut dice: Dice,
        weather: Weather,
        config: Arc<Config>,
        order: CommitOrder,
        mut input: Vec<(Place, Entry)>,
        (processes, workers): (usize, usize),
    ) -> Rc<Self> {
        input.reverse();
        let storm = dice.between(5_000, 60_000);
        let write_interval = storm / (input.len() as u64 / 4 + 1);
        let slot =
            |at: usize| Slot { process: at / workers, number: at % workers, worker: None, is_busy: false };
        Rc::new(Sim {
            cluster: RefCell::default(),
            dice: RefCell::new(dice),
            clock: Cell::new(1_000),
            epoch: Instant::now(),
            weather,
            calm: Cell::new(false),
            depth: Cell::new(0),
            faults: Cell::new(0),
            processes: RefCell::new((0..processes).map(|_| Process::default()).collect()),
            slots: RefCell::new((0..processes * workers).map(slot).collect()),
            input: RefCell::new(input),
            next_write: Cell::new(0),
            write_interval,
            storm,
            config,
            order,
            shutdown: Shutdown::new(),
            handles: Cell::new(0),
            failure: RefCell::new(None),
        })
    }

    // Time and chance.

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.get()
    }

    pub(super) fn now(&self) -> Instant {
        self.epoch + Duration::from_millis(self.clock.get())
    }

    pub(super) fn advance(&self, ms: u64) {
        self.clock.set(self.clock.get() + ms);
        let now = self.now_ms();
        let cluster = &mut *self.cluster.borrow_mut();
        cluster.tick(now);
        // While the broker is away, no session ends, and when it is back each begins anew.
        let away = now < cluster.away_until + 500;
        let processes = self.processes.borrow();
        cluster.group.tick(now, SESSION, |_, handle| {
            let (process, life) = unpack(handle);
            let alive = &processes[process];
            away || (alive.life == life && now >= alive.still_until && now >= alive.down_until)
        });
        while self.next_write.get() < now && now >= cluster.away_until {
            self.publish(cluster);
        }
    }

    /// Four records on average, so that the input lasts as long as the storm.
    fn publish(&self, cluster: &mut Cluster) {
        let (mut input, mut dice) = (self.input.borrow_mut(), self.dice.borrow_mut());
        for _ in 0..dice.below(9) {
            if let Some((place, entry)) = input.pop() {
                cluster.append(place, entry);
            }
        }
        self.next_write.set(self.next_write.get() + dice.between(0, 2 * self.write_interval));
    }

    pub(super) fn random(&self, low: u64, high: u64) -> u64 {
        self.dice.borrow_mut().between(low, high)
    }

    pub(super) fn chance(&self, n: usize) -> bool {
        self.dice.borrow_mut().one_in(n)
    }

    /// Whether this call fails.
    pub(super) fn hiccup(&self) -> bool {
        let fails = !self.calm.get() && self.chance(self.weather.hiccup);
        self.faults.set(self.faults.get() + usize::from(fails));
        fails
    }

    /// When a mark of a transaction that is decided now is written.
    pub(super) fn mark_time(&self) -> u64 {
        let slow = !self.calm.get() && self.weather.hiccup > 0 && self.chance(20);
        self.now_ms() + if slow { self.random(0, 3_000) } else { self.random(0, 30) }
    }

    fn strikes(&self, n: usize) -> bool {
        let strikes = !self.calm.get() && self.chance(n);
        self.faults.set(self.faults.get() + usize::from(strikes));
        strikes
    }

    pub(super) fn faults(&self) -> usize {
        self.faults.get()
    }

    // Processes.

    /// A name for a new consumer of a process.
    pub(super) fn handle(&self, ticket: Ticket) -> u64 {
        self.handles.set(self.handles.get() + 1);
        (self.handles.get() << 32) | ((ticket.process as u64) << 24) | u64::from(ticket.life)
    }

    pub(super) fn is_alive(&self, ticket: Ticket) -> bool {
        self.processes.borrow()[ticket.process].life == ticket.life
    }

    pub(super) fn folder<T>(&self, ticket: Ticket, partition: i32, f: impl FnOnce(&mut Folder) -> T) -> T {
        let mut processes = self.processes.borrow_mut();
        f(processes[ticket.process].disk.folders.entry(partition).or_default())
    }

    pub(super) fn set_aside(&self, ticket: Ticket, partition: i32) {
        self.processes.borrow_mut()[ticket.process].disk.folders.remove(&partition);
    }

    /// What stands on all disks: process, partition, folder.
    pub(super) fn each_folder(&self, mut visit: impl FnMut(i32, &Folder)) {
        for process in self.processes.borrow().iter() {
            process.disk.folders.iter().for_each(|(partition, folder)| visit(*partition, folder));
        }
    }

    /// Every call of a worker passes here.
    pub(super) fn point(self: &Rc<Self>, ticket: Ticket) {
        self.live_on(ticket);
        if self.strikes(self.weather.crash) {
            self.kill(ticket.process);
        } else if self.strikes(self.weather.stall) {
            let ms = self.random(500, 2 * SESSION + 4_000);
            tracing::debug!(now = self.now_ms(), process = ticket.process, ms, "SIM stands still");
            self.processes.borrow_mut()[ticket.process].still_until = self.now_ms() + ms;
            self.let_others_run(ms);
        } else if self.strikes(self.weather.outage) {
            self.cluster.borrow_mut().away_until = self.now_ms() + self.random(100, 15_000);
        } else if self.chance(self.weather.slow) {
            self.let_others_run(self.random(1, 60));
        }
        self.live_on(ticket);
    }

    /// The end of a process that was killed while it was in a call.
    fn live_on(&self, ticket: Ticket) {
        if !self.is_alive(ticket) {
            resume_unwind(Box::new(Death));
        }
    }

    /// Waits until the broker answers; false: it did not in this time.
    pub(super) fn reach(self: &Rc<Self>, ticket: Ticket, timeout: Duration) -> bool {
        let until = self.now_ms() + ms(timeout);
        loop {
            self.point(ticket);
            let now = self.now_ms();
            if now >= self.cluster.borrow().away_until {
                return true;
            }
            if now >= until {
                return false;
            }
            self.let_others_run(self.random(20, 400));
        }
    }

    /// Time passes, and others use it.
    pub(super) fn let_others_run(self: &Rc<Self>, ms: u64) {
        let until = self.now_ms() + ms;
        while self.now_ms() < until {
            if self.depth.get() < DEPTH_MAX {
                self.run_one();
            }
            let left = until.saturating_sub(self.now_ms());
            self.advance(left.min(self.random(1, 1 + ms / 3)));
        }
    }

    fn kill(&self, process: usize) {
        tracing::debug!(ms = self.now_ms(), process, "SIM kill");
        let mut processes = self.processes.borrow_mut();
        let killed = &mut processes[process];
        killed.life += 1;
        // Half of them stay away for longer than their session.
        let down =
            if self.chance(2) { self.random(1, SESSION / 2) } else { self.random(SESSION, 3 * SESSION) };
        killed.down_until = self.now_ms() + down;
        killed.still_until = 0;
        for folder in killed.disk.folders.values_mut() {
            let kept = self.dice.borrow_mut().below(folder.unflushed() + 1);
            folder.crash(kept);
            folder.is_damaged |= self.chance(10);
        }
        if self.chance(10) {
            killed.disk = Disk::default();
        }
    }

    // The schedule.

    /// Lets one worker take one step, if one can.
    pub(super) fn run_one(self: &Rc<Self>) {
        let now = self.now_ms();
        let ready: Vec<usize> = {
            let (processes, slots) = (self.processes.borrow(), self.slots.borrow());
            let can_run = |slot: &Slot| {
                let process = &processes[slot.process];
                !slot.is_busy && now >= process.down_until && now >= process.still_until
            };
            (0..slots.len()).filter(|at| can_run(&slots[*at])).collect()
        };
        if ready.is_empty() || self.failure.borrow().is_some() {
            return self.advance(10);
        }
        let at = self.dice.borrow_mut().pick(&ready);
        let (ticket, number, worker) = {
            let mut slots = self.slots.borrow_mut();
            let slot = &mut slots[at];
            slot.is_busy = true;
            let life = self.processes.borrow()[slot.process].life;
            (Ticket { process: slot.process, life }, slot.number, slot.worker.take())
        };
        self.depth.set(self.depth.get() + 1);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.step(ticket, number, worker)));
        self.depth.set(self.depth.get() - 1);
        let mut slots = self.slots.borrow_mut();
        slots[at].is_busy = false;
        match outcome {
            Ok(Ok(worker)) => slots[at].worker = worker,
            Ok(Err(failure)) => {
                let _ = self.failure.borrow_mut().get_or_insert(failure.to_string());
            }
            Err(death) if death.is::<Death>() => {}
            Err(panic) => resume_unwind(panic),
        }
        // The other workers of a process that died in this step go with it.
        let processes = self.processes.borrow();
        for slot in slots.iter_mut() {
            let died = |worker: &mut Box<Worker<SimWorld>>| {
                worker.world().ticket.life != processes[slot.process].life
            };
            drop(slot.worker.take_if(died));
        }
    }

    fn step(
        self: &Rc<Self>,
        ticket: Ticket,
        number: usize,
        worker: Option<Box<Worker<SimWorld>>>,
    ) -> Result<Option<Box<Worker<SimWorld>>>, Failure> {
        let Some(mut worker) = worker else {
            let started = Worker::start(self.context(ticket), number, None, &self.shutdown)?;
            return Ok(started.map(Box::new));
        };
        // Asked to stop now and then, the whole process in order.
        if number == 0 && self.strikes(self.weather.crash * 40) {
            worker.close();
            self.kill(ticket.process);
            return Ok(None);
        }
        worker.step(&self.shutdown)?;
        Ok(Some(worker))
    }

    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "a worker holds an Arc; here everything is in one thread"
    )]
    fn context(self: &Rc<Self>, ticket: Ticket) -> Arc<Context<SimWorld>> {
        let member = format!("sim-p{}", ticket.process);
        let status = Arc::new(Status::new(Health::new("processor"), "sim", 2));
        let world = SimWorld { sim: Rc::clone(self), ticket };
        Arc::new(Context::new(&self.config, member, world, status, self.order))
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn calm_down(&self) {
        self.calm.set(true);
        self.cluster.borrow_mut().away_until = 0;
        for process in self.processes.borrow_mut().iter_mut() {
            process.still_until = 0;
        }
    }

    /// Everything written, read and committed.
    pub(super) fn is_done(&self) -> bool {
        let cluster = self.cluster.borrow();
        let drained = |partition: i32| {
            let end = cluster.end(&("raw".to_owned(), partition));
            end == cluster.committed.get(&partition).copied().unwrap_or(0)
        };
        self.input.borrow().is_empty() && cluster.is_settled() && (0..cluster.group.partitions).all(drained)
    }
}

fn unpack(handle: u64) -> (usize, u32) {
    (((handle >> 24) & 0xff) as usize, (handle & 0xff_ffff) as u32)
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}
