//! What is played.

use std::borrow::Cow;

use super::channel::Cluster;

/// One element of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it is played.
    pub cluster: Cluster,
    /// The channel without the symbol: `T`, `XAS`.
    pub channel_kind: Cow<'static, str>,
    /// The symbol as it is subscribed: `AAPL`, `BTC-USD`.
    pub symbol: String,
    /// The whole element, a JSON object.
    pub json: String,
}

/// What a tape answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This is due.
    Event(Event),
    /// Nothing is due before this time (milliseconds since the Unix epoch); a time in the past means: ask again at once.
    WaitUntil(i64),
    /// Nothing more will come.
    End,
}

/// Events in order, with the time when each is due.
pub trait Tape {
    /// The next event, or when to ask again. `now_ms`: the wall clock in milliseconds since the Unix epoch.
    fn next(&mut self, now_ms: i64) -> Next;
}

/// All due at once.
impl Tape for std::vec::IntoIter<Event> {
    fn next(&mut self, _now_ms: i64) -> Next {
        Iterator::next(self).map_or(Next::End, Next::Event)
    }
}
