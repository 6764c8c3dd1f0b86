//! What goes wrong on purpose. The default is a polite server.

use std::time::Duration;

use crate::hash::{pair, unit};

/// How a server misbehaves.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// What goes wrong on the first, second, … connection that is accepted.
    pub script: Vec<Option<Fault>>,
    /// On connections after the script: the probability of a fault, 0 to 1, drawn from the seed and the connection's number.
    pub fault_share: f64,
    /// The share of events that are spoilt, 0 to 1, drawn from the seed and the event's number on the tape.
    pub spoilt_share: f64,
    /// What everything random is drawn from.
    pub seed: u64,
    /// Messages with events are cut into frames of so many bytes.
    pub fragment_bytes: Option<usize>,
    /// Kinds of channels that no key may subscribe.
    pub forbidden: Vec<String>,
    /// Who dies when a key connects twice.
    pub eviction: Eviction,
    /// All connections drop each time this has passed.
    pub restart_every: Option<Duration>,
}

/// Who dies when a key connects to a cluster a second time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Eviction {
    /// The connection that was there.
    #[default]
    Older,
    /// The connection that came.
    Newer,
}

/// What goes wrong on a connection. `after`: so many frames with events are written before; 0 = right after the key was
/// accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The opening succeeds, and nothing is ever said.
    NoGreeting,
    /// The key gets no answer, and nothing else does.
    NoAuthAnswer,
    /// The key comes too late, as the server sees it.
    AuthTimeout,
    /// The right key has a connection already, as the server sees it.
    MaxConnections,
    /// Nothing is written any more, pongs included, nor answered; the connection stays open.
    Silence {
        /// Frames before.
        after: u64,
    },
    /// The end of the stream, without a close frame.
    Drop {
        /// Frames before.
        after: u64,
    },
    /// The end of the stream in the middle of the next frame.
    DropInside {
        /// Frames before.
        after: u64,
    },
    /// A close frame.
    Close {
        /// Frames before.
        after: u64,
        /// Its code: 1000, 1001, 1008.
        code: u16,
    },
}

impl Behaviour {
    /// What goes wrong on the connection of this number, from 0.
    pub(super) fn fault(&self, connection: u64) -> Option<Fault> {
        let scripted = usize::try_from(connection).ok().and_then(|number| self.script.get(number));
        scripted.copied().unwrap_or_else(|| self.random_fault(connection))
    }

    fn random_fault(&self, connection: u64) -> Option<Fault> {
        let hash = pair(pair(self.seed, 1), connection);
        let after = pair(hash, 1) % 20;
        let fault = match pair(hash, 2) % 10 {
            0 => Fault::NoGreeting,
            1 => Fault::NoAuthAnswer,
            2 => Fault::AuthTimeout,
            3 => Fault::MaxConnections,
            4 => Fault::Silence { after },
            5 => Fault::Drop { after },
            6 => Fault::DropInside { after },
            7 => Fault::Close { after, code: 1000 },
            8 => Fault::Close { after, code: 1001 },
            _ => Fault::Close { after, code: 1008 },
        };
        (unit(hash) < self.fault_share).then_some(fault)
    }

    /// A random number for the event of this number on the tape, if it is to be spoilt.
    pub(super) fn spoils(&self, event: u64) -> Option<u64> {
        let hash = pair(pair(self.seed, 2), event);
        (unit(hash) < self.spoilt_share).then(|| pair(hash, 1))
    }
}
