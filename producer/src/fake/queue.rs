//! What waits for a connection, and the order to end it.
//!
//! Invariant: once a connection is to end, nothing more is taken from its queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::channel::Status;
use super::locked;
use super::spoil::Played;

/// Elements of one array.
pub(super) type Frame = Vec<Arc<Played>>;

/// How a connection ends: what is said before, and how it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) status: Option<Status>,
    pub(super) manner: Manner,
}

/// See [`End`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// The client has left.
    Gone,
    /// The end of the stream, without a close frame.
    Drop,
    /// A close frame with this code.
    Close(u16),
    /// Open, but dead.
    Silence,
}

impl End {
    pub(super) const GONE: Self = Self { status: None, manner: Manner::Gone };
    pub(super) const DROP: Self = Self { status: None, manner: Manner::Drop };
    pub(super) const SILENCE: Self = Self { status: None, manner: Manner::Silence };
    pub(super) const AUTH_FAILED: Self = Self { status: Some(Status::AUTH_FAILED), manner: Manner::Drop };
    pub(super) const AUTH_TIMEOUT: Self = Self::policy(Status::AUTH_TIMEOUT);
    pub(super) const MAX_CONNECTIONS: Self = Self::policy(Status::MAX_CONNECTIONS);
    pub(super) const SLOW_CONSUMER: Self = Self::policy(Status::SLOW_CONSUMER);

    pub(super) const fn close(code: u16) -> Self {
        Self { status: None, manner: Manner::Close(code) }
    }

    const fn policy(status: Status) -> Self {
        Self { status: Some(status), manner: Manner::Close(1008) }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A frame or the end has come.
    changed: Notify,
    /// A frame was written, or the end has come.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    /// Of the frames that wait and of the one that is being written.
    bytes: usize,
    end: Option<End>,
}

impl Queue {
    /// Puts a frame in. If it has no place within `patience` the connection ends as a slow consumer.
    pub(super) async fn push(&self, mut frame: Frame, limit: usize, patience: Duration) {
        while let Err(refused) = self.try_push(frame, limit) {
            frame = refused;
            if timeout(patience, self.room.notified()).await.is_err() {
                self.end(End::SLOW_CONSUMER);
            }
        }
    }

    fn try_push(&self, frame: Frame, limit: usize) -> Result<(), Frame> {
        let mut state = locked(&self.state);
        if state.end.is_some() {
            return Ok(());
        }
        let bytes = state.bytes + bytes(&frame);
        if state.bytes > 0 && bytes > limit {
            return Err(frame);
        }
        state.bytes = bytes;
        state.frames.push_back(frame);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the next frame out; [`written`](Self::written) is called afterwards. Loses nothing when it is given up.
    pub(super) async fn next(&self) -> Result<Frame, End> {
        loop {
            {
                let mut state = locked(&self.state);
                if let Some(end) = state.end {
                    return Err(end);
                }
                if let Some(frame) = state.frames.pop_front() {
                    return Ok(frame);
                }
            }
            self.changed.notified().await;
        }
    }

    /// The frame is out.
    pub(super) fn written(&self, frame: &Frame) {
        locked(&self.state).bytes -= bytes(frame);
        self.room.notify_one();
    }

    /// Orders the end; the first order counts.
    pub(super) fn end(&self, end: End) {
        locked(&self.state).end.get_or_insert(end);
        self.changed.notify_one();
        self.room.notify_one();
    }

    /// Waits until the end is ordered.
    pub(super) async fn ended(&self) -> End {
        loop {
            if let Some(end) = locked(&self.state).end {
                return end;
            }
            self.changed.notified().await;
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        locked(&self.state).end.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        locked(&self.state).bytes == 0
    }
}

fn bytes(frame: &Frame) -> usize {
    frame.iter().map(|played| played.json.len() + 1).sum()
}

#[cfg(test)]
mod tests;
