//! Sources that come over a socket, and cannot be asked again for what was missed.
//!
//! ```text
//! connection (a task each) ──▶ intake ──▶ publisher (a thread): decode ──▶ outbox ──▶ Kafka client ──▶ raw-trades
//!   session says what to do    64 MiB                   │  ▲                │  ▲
//!                                                       ▼  │ gaps           ▼  │ brokers away
//!                                                    backfill ──▶ REST     spool (disk)
//! ```
//!
//! - The sockets never wait for Kafka: a server that is not read disconnects us, and what it sends meanwhile is gone.
//! - What a socket has brought is written exactly once, in order, whatever happens to brokers and to the network behind it; over an
//!   orderly stop and over a crash while brokers are away, too. A crash may lose what was received in the last moments and was
//!   neither acknowledged nor on disk.

mod backfill;
mod client;
mod connection;
mod intake;
mod journal;
mod meters;
mod outbox;
mod publish;
mod rest;
mod status;
mod symbols;
mod vendor;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tape_service::{Config, Failure, Health, Secret, Shutdown};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::session::{Dialect, Session, Settings};
use crate::source::Venue;
use crate::spool::Spool;
use crate::venue::{FeedPlan, Plan};
use client::Link;
use connection::{Connection, Wires};
use intake::Intake;
use journal::Journal;
use outbox::Outbox;
use publish::Publisher;
use status::Lines;
use vendor::Vendor;

/// Below `STATE_DIR`.
const SPOOL_FOLDER: &str = "spool";
/// Begins the ids of runs.
const STEM: &str = "live";
/// After a crash numbers go on so far behind the last one on disk: some that were higher may have reached the log, when the disk had
/// not written them yet.
const NUMBERS_APART: u64 = 1_000_000_000;

/// Follows the feed until the stop, or until the vendor refuses the key.
///
/// # Errors
/// [`Failure::Config`]: settings that cannot be followed, no key, a key that is refused, a missing topic.
pub(crate) async fn run(
    config: Arc<Config>,
    venue: Venue,
    shutdown: Shutdown,
    health: Health,
) -> Result<(), Failure> {
    let Vendor { dialect, key, decoders, backfill } = Vendor::new(venue, &config)?;
    let plan = symbols::plan(venue, &config)?;
    let (outbox, has_past) = open_outbox(&config)?;
    let (intake, outlet) = intake::intake(intake::LIMIT_BYTES);
    let lines = Lines::default();
    let link = Link::new(
        Arc::clone(&config),
        health.clone(),
        shutdown.clone(),
        outbox.source().to_owned(),
        has_past,
    );
    let publisher = Publisher::new(
        &config,
        (outlet, decoders, backfill),
        (outbox, link),
        (lines.clone(), health.clone()),
    );
    let publishing = tokio::task::spawn_blocking(move || publisher.run());

    let feeds = Feeds {
        config,
        venue,
        dialect,
        key,
        wires: Wires::new()?,
        intake,
        lines,
        tasks: JoinSet::new(),
        open: BTreeMap::new(),
    };
    let ending = shutdown.child();
    let following = feeds.run(plan, ending.clone());
    tokio::pin!(following, publishing);
    let (followed, published) = tokio::select! {
        followed = &mut following => (followed, publishing.await),
        published = &mut publishing => {
            ending.request();
            (following.await, published)
        }
    };
    followed.and(published.map_err(|error| Failure::Other(error.into()))?)
}

/// What waits on disk goes on under the id that numbered it. True: the log may hold records of that id.
fn open_outbox(config: &Config) -> Result<(Outbox, bool), Failure> {
    let memory_limit = config.producer.buffer_memory;
    if config.producer.spool_limit == 0 {
        return Ok((Outbox::new(None, publish::source_id(STEM), 0, memory_limit), false));
    }
    let folder = config.processing.state_dir.join(SPOOL_FOLDER);
    let (spool, found) = Spool::open(&folder, config.producer.spool_limit)
        .map_err(|error| Failure::Config(error.to_string()))?;
    for damage in &found.damages {
        warn!("{damage}");
    }
    let Some((source, (_, last))) = found.source.clone().zip(found.numbers) else {
        return Ok((Outbox::new(Some(spool), publish::source_id(STEM), 0, memory_limit), false));
    };
    info!(
        records = found.entries,
        bytes = found.bytes,
        "an earlier run has left records on disk; they go first"
    );
    Ok((Outbox::new(Some(spool), source, last.saturating_add(NUMBERS_APART), memory_limit), true))
}

/// The connections, one a feed of the plan.
struct Feeds {
    config: Arc<Config>,
    venue: Venue,
    dialect: &'static dyn Dialect,
    key: Option<Secret>,
    wires: Wires,
    intake: Intake,
    lines: Lines,
    tasks: JoinSet<Result<(), Failure>>,
    /// By the name of the feed.
    open: BTreeMap<&'static str, watch::Sender<BTreeSet<String>>>,
}

impl Feeds {
    async fn run(mut self, plan: Plan, shutdown: Shutdown) -> Result<(), Failure> {
        let mut watch = symbols::Watch::new(&self.config)?;
        self.follow(plan, &shutdown);
        let result = loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(failure))) => break Err(failure),
                    Some(Err(error)) => break Err(Failure::Other(error.into())),
                    // No connection is left: only a stop does that.
                    None => break Ok(()),
                },
                () = watch.changed(&self.config) => match symbols::plan(self.venue, &self.config) {
                    Ok(plan) => self.follow(plan, &shutdown),
                    Err(error) => warn!("the symbols stay as they were: {error}"),
                },
            }
        };
        shutdown.request();
        while self.tasks.join_next().await.is_some() {}
        result
    }

    /// Tells the connections what is wanted, opens those that are new, closes those that nobody needs.
    fn follow(&mut self, plan: Plan, shutdown: &Shutdown) {
        for note in &plan.notes {
            info!("{note}");
        }
        let wanted: BTreeSet<&str> = plan.feeds.iter().map(|feed| feed.name).collect();
        self.open.retain(|name, _| wanted.contains(name));
        for feed in plan.feeds {
            info!(cluster = feed.name, channels = feed.channels.len(), "following");
            match self.open.get(feed.name) {
                Some(sender) => drop(sender.send_replace(feed.channels)),
                None => self.connect(feed, shutdown),
            }
        }
    }

    fn connect(&mut self, feed: FeedPlan, shutdown: &Shutdown) {
        let FeedPlan { name, index, url, channels } = feed;
        let settings = Settings {
            dialect: self.dialect,
            api_key: self.key.clone(),
            backoff_first: self.config.source.reconnect_delay,
            backoff_max: self.config.source.reconnect_cap,
        };
        let seed = u64::from(std::process::id()) << 8 | index as u64;
        let session = Session::new(settings, channels.clone(), seed, self.wires.now());
        let connection = Connection {
            url,
            session,
            wires: self.wires.clone(),
            intake: self.intake.clone(),
            feed: index,
            journal: Journal::new(name),
            line: self.lines.add(name),
        };
        let (sender, receiver) = watch::channel(channels);
        self.tasks.spawn(connection.run(receiver, shutdown.clone()));
        self.open.insert(name, sender);
    }
}
