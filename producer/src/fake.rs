//! A server that speaks the vendor's WebSocket protocol, for demonstrations and for tests of clients.
//!
//! ```text
//!  Tape ──► player ──► queue of each connection ──► connection ◄──► client
//!           packs what is due             bounded       handshake, acks, faults
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`events`] | the vendor's elements, made from trades or taken from a file |
//! | `channel` | clusters, channels, who has subscribed what, statuses: no I/O |
//! | `behaviour`, `spoil` | what goes wrong on purpose |
//! | `tape`, `player` | what is played, and to whom; [`Playback`]: from the simulated market or from files |
//! | `hub`, `queue` | the connections that are open, and what waits for each |
//! | `connection` | one client, from the opening to the end |
//! | [`rest`] | past trades, over HTTP |
//!
//! Invariant: a client gets elements in the order of the tape, each at most once, and only what it has subscribed.
//!
//! Invariant: [`Server::delivered`] holds exactly the valid elements of those frames that were given to the system
//! completely. A client that reads to the end of the stream has got them all, and none besides.
//!
//! Invariant: what waits for a connection is bounded by [`Options::queue_bytes`] and one frame.

mod behaviour;
mod channel;
mod connection;
pub mod events;
mod hub;
mod playback;
mod player;
mod queue;
pub mod rest;
mod spoil;
mod tape;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use behaviour::{Behaviour, Eviction, Fault};
pub use channel::Cluster;
pub use playback::Playback;
pub use tape::{Event, Next, Tape};

use hub::Hub;

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 = any that is free.
    pub bind: SocketAddr,
    /// The only right key; `None`: every key that is not empty.
    pub key: Option<String>,
    /// The tape stands still while fewer connections have subscribed something on the cluster of its next event. With 0
    /// it runs like the real market, and what nobody listens to is gone.
    pub audience: usize,
    /// The most elements in one array, at least 1.
    pub frame_events: usize,
    /// The most bytes that wait for a connection. A longer frame is accepted when nothing else waits.
    pub queue_bytes: usize,
    /// So long the tape waits for a connection whose queue is full; then the connection ends as a slow consumer.
    pub patience: Duration,
    /// So long a client has for the opening, and then again for its key.
    pub auth_within: Duration,
    /// Whether [`Server::delivered`] remembers. It grows with every element.
    pub record: bool,
    /// What goes wrong on purpose.
    pub behaviour: Behaviour,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            key: None,
            audience: 1,
            frame_events: 100,
            queue_bytes: 16 << 20,
            patience: Duration::from_secs(1),
            auth_within: Duration::from_secs(10),
            record: false,
            behaviour: Behaviour::default(),
        }
    }
}

/// What a server has done since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Right keys.
    pub authenticated: u64,
    /// Channels confirmed.
    pub subscriptions: u64,
    /// Elements of completely written frames by kind of channel (`T`, `XAS`), spoilt ones included.
    pub events: BTreeMap<String, u64>,
    /// Frames with elements that were written completely.
    pub frames: u64,
    /// Connections that the server ended, for whatever reason.
    pub kills: u64,
}

/// What all tasks of a server share.
struct Shared {
    options: Options,
    hub: Hub,
    counts: Mutex<Counts>,
    delivered: Mutex<Vec<String>>,
    is_tape_over: AtomicBool,
}

impl Shared {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut locked(&self.counts));
    }
}

/// A server that is running. When it is dropped it stops, a moment later than [`stop`](Self::stop) does.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Listens and begins to play.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(options: Options, tape: impl Tape + Send + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let restart_every = options.behaviour.restart_every;
        let shared = Arc::new(Shared {
            options,
            hub: Hub::default(),
            counts: Mutex::default(),
            delivered: Mutex::default(),
            is_tape_over: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(Arc::clone(&shared), listener));
        tasks.spawn(player::play(Arc::clone(&shared), tape));
        if let Some(period) = restart_every {
            tasks.spawn(restart(Arc::clone(&shared), period));
        }
        Ok(Self { address, shared, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> Counts {
        locked(&self.shared.counts).clone()
    }

    /// The valid elements that were delivered, to whichever client, in the order of writing; empty unless
    /// [`Options::record`] is set.
    #[must_use]
    pub fn delivered(&self) -> Vec<String> {
        locked(&self.shared.delivered).clone()
    }

    /// Whether the tape has ended and nothing waits for any connection.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.is_tape_over.load(Ordering::Acquire) && self.shared.hub.is_idle()
    }

    /// Ends the tape, the connections (without a close frame) and the listening.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                shared.count(|counts| counts.connections += 1);
                connections.spawn(connection::serve(Arc::clone(&shared), stream, number));
                number += 1;
            }
            Some(_) = connections.join_next() => {}
            // The system has no descriptor left, or the client has given up already.
            else => tokio::task::yield_now().await,
        }
    }
}

/// Drops all connections again and again, as a server does that restarts.
async fn restart(shared: Arc<Shared>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        shared.hub.restart();
    }
}

/// A lock's value; whoever panicked while holding it has left it usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
