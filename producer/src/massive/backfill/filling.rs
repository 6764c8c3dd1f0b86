//! A symbol whose gaps are being filled.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::recent::By;
use super::types::{Page, Record, Row};
use super::{MARGIN, RETRY_AFTER_MAX, RETRY_FIRST, RETRY_MAX, SEEN_MAX};
use crate::massive::cluster::Cluster;
use crate::venue::Identity;

/// The most rows of a page; the vendor gives no more.
const PAGE_ROWS: u32 = 50_000;

#[derive(Debug)]
pub(super) struct Filling {
    pub(super) cluster: Cluster,
    /// The first is being read; at least one.
    pub(super) jobs: VecDeque<Job>,
    /// Trades inside of the ranges that were published or are held.
    pub(super) seen: HashMap<Identity, By>,
    /// Live events that wait, and since when.
    pub(super) held: VecDeque<(Duration, Record)>,
    /// From then on live events are let through.
    pub(super) hold_until: Duration,
}

/// A range to be read.
#[derive(Debug)]
pub(super) struct Job {
    /// From and to, the latter excluded; milliseconds since the Unix epoch.
    pub(super) range: (i64, i64),
    /// When it was asked for.
    pub(super) since: Duration,
    /// Not to be called before.
    pub(super) due: Duration,
    pub(super) unreadable: u32,
    is_begun: bool,
    attempts: u32,
    /// The path of the next page.
    next: Option<String>,
    /// The last rows of a page with one time: the next page may go on with it.
    rest: Vec<Row>,
}

impl Filling {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            jobs: VecDeque::new(),
            seen: HashMap::new(),
            held: VecDeque::new(),
            hold_until: Duration::ZERO,
        }
    }

    /// Queues a job, or widens one that waits and overlaps.
    pub(super) fn add(&mut self, job: Job) {
        let waiting = self.jobs.back_mut().filter(|last| !last.is_begun && last.overlaps(&job));
        let Some(last) = waiting else { return self.jobs.push_back(job) };
        last.range = (last.range.0.min(job.range.0), last.range.1.max(job.range.1));
        last.due = job.due;
    }

    /// False: there are too many.
    pub(super) fn remember(&mut self, identity: Identity, by: By) -> bool {
        let fits = self.seen.len() < SEEN_MAX;
        if fits {
            self.seen.entry(identity).or_insert(by);
        }
        fits
    }

    pub(super) fn by(&self, identity: Identity) -> Option<By> {
        self.seen.get(&identity).copied()
    }

    /// A job asks for this time.
    pub(super) fn covers(&self, event_time: i64) -> bool {
        self.jobs.iter().any(|job| (job.range.0..job.range.1).contains(&event_time))
    }

    /// Takes the first of those that are held, as long as `is_free` says so.
    pub(super) fn release(&mut self, is_free: impl Fn(&(Duration, Record)) -> bool) -> Vec<Record> {
        let count = self.held.iter().position(|held| !is_free(held)).unwrap_or(self.held.len());
        self.held.drain(..count).map(|(_, record)| record).collect()
    }
}

impl Job {
    pub(super) fn new(range: (i64, i64), now: Duration) -> Self {
        Self {
            range,
            since: now,
            due: now.saturating_add(MARGIN),
            unreadable: 0,
            is_begun: false,
            attempts: 0,
            next: None,
            rest: Vec::new(),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.range.0 <= other.range.1 && other.range.0 <= self.range.1
    }

    /// The path to call, from the slash on.
    pub(super) fn begin(&mut self, cluster: Cluster, symbol: &str) -> String {
        self.is_begun = true;
        self.next.clone().unwrap_or_else(|| {
            let ticker = match cluster {
                Cluster::Stocks => symbol.to_owned(),
                Cluster::Crypto => format!("X:{}", symbol.replace('-', "")),
            };
            // The range was cut at zero, and the contract ends in the year 9999: only that does not fit 64 bits.
            let [from, to] = [self.range.0, self.range.1].map(|ms| i128::from(ms) * 1_000_000);
            format!(
                "/v3/trades/{ticker}?timestamp.gte={from}&timestamp.lt={to}&order=asc&sort=timestamp&limit={PAGE_ROWS}"
            )
        })
    }

    /// The rows that can be published now, in order.
    pub(super) fn take(&mut self, page: Page) -> Vec<Row> {
        (self.attempts, self.unreadable) = (0, 0);
        let mut rows = std::mem::take(&mut self.rest);
        rows.extend(page.rows);
        rows.sort_by_key(|row| (row.nanos, row.sequence));
        self.next = page.next;
        if self.next.is_some()
            && let Some(last) = rows.last().map(|row| row.nanos)
        {
            self.rest = rows.split_off(rows.partition_point(|row| row.nanos < last));
        }
        rows
    }

    /// Waits a while, at least as long as the server says; returns how long.
    pub(super) fn put_off(&mut self, after: Option<Duration>, now: Duration) -> Duration {
        let pause = RETRY_FIRST.saturating_mul(1 << self.attempts.min(16)).min(RETRY_MAX);
        let pause = pause.max(after.unwrap_or_default().min(RETRY_AFTER_MAX));
        self.attempts = self.attempts.saturating_add(1);
        self.due = now.saturating_add(pause);
        pause
    }
}
