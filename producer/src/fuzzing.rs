//! What `fuzz/` drives: everything that reads what a server of a live feed sends. Panics where a law is broken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tape_proto::trade;
use tape_service::Secret;

use crate::coinbase;
use crate::massive::cluster::Cluster;
use crate::massive::conditions::Conditions;
use crate::massive::decode::Decoder;
use crate::massive::wire::Massive;
use crate::session::{Action, Dialect, Input, Session, Settings};
use crate::venue::{Decode, Element};

const KEY: &str = "0123456789abcdef";

/// A frame, to the decoders of all venues: whatever comes out as a trade is read back from its record as it was.
pub fn frame(bytes: &[u8]) {
    let conditions = Arc::new(Conditions::published());
    let mut decoders: [Box<dyn Decode>; 3] = [
        Box::new(Decoder::new(Cluster::Stocks, Arc::clone(&conditions), true)),
        Box::new(Decoder::new(Cluster::Crypto, conditions, true)),
        Box::new(coinbase::decode::Decoder::new(true)),
    ];
    let mut value = Vec::new();
    for decoder in &mut decoders {
        decoder.decode(bytes, &mut |element| {
            if let Element::Trade(decoded) = element {
                value.clear();
                trade::encode_json(&decoded.trade, decoded.raw, &mut value);
                let read = trade::decode(Some(decoded.trade.symbol.as_bytes()), Some(&value));
                assert_eq!(read.as_ref(), Ok(&decoded.trade));
            }
        });
    }
}

/// A story for the session of each venue: each step is a byte for what happens, one for how much time passes, and for a frame its
/// length and its bytes.
pub fn session(bytes: &[u8]) {
    for dialect in [&Massive as &'static dyn Dialect, &coinbase::wire::Coinbase] {
        Story::new(dialect).tell(bytes);
    }
}

struct Story {
    dialect: &'static dyn Dialect,
    session: Session,
    has_key: bool,
    now: Duration,
    is_open: bool,
    opens: u64,
}

impl Story {
    fn new(dialect: &'static dyn Dialect) -> Self {
        let settings = Settings {
            dialect,
            api_key: dialect.auth(KEY).map(|_| Secret::new(KEY)),
            backoff_first: Duration::from_secs(5),
            backoff_max: Duration::from_secs(60),
        };
        let has_key = settings.api_key.is_some();
        let session = Session::new(settings, channels(3), 7, Duration::ZERO);
        let mut story = Self { dialect, session, has_key, now: Duration::ZERO, is_open: false, opens: 0 };
        story.obey(false);
        story
    }

    fn tell(&mut self, mut bytes: &[u8]) {
        while let Some((&[what, pause], rest)) = bytes.split_first_chunk() {
            bytes = rest;
            // From a millisecond to half a minute.
            self.now += Duration::from_millis(1 << (pause % 16));
            let was_over = self.session.is_over();
            match what % 9 {
                0 => self.take(Input::Opened),
                1 => self.take(Input::Data),
                2 => self.take(Input::Alive),
                3 => self.end(Input::Closed { code: Some(1000), reason: KEY }),
                4 => self.end(Input::Failed(KEY)),
                5 => self.end(Input::OpenFailed("refused")),
                6 => self.take(Input::Want(channels(pause % 5))),
                7 => {
                    self.now = self.now.max(self.session.deadline().min(Duration::from_secs(1 << 30)));
                    self.take(Input::Tick);
                    assert!(self.session.deadline() >= self.now);
                }
                _ => {
                    let (frame, rest) = bytes.split_at(bytes.len().min(usize::from(pause)));
                    bytes = rest;
                    for status in self.dialect.statuses(frame) {
                        self.take(Input::Status(&status));
                    }
                }
            }
            self.obey(was_over);
        }
        // At most one connection for each pause of the floor, half of the first upper end.
        assert!(
            self.opens <= 1 + (self.now.as_millis() / 2500) as u64,
            "{} opens in {:?}",
            self.opens,
            self.now
        );
    }

    fn take(&mut self, input: Input<'_>) {
        self.session.handle(input, self.now);
    }

    fn end(&mut self, input: Input<'_>) {
        if self.is_open {
            self.is_open = false;
            self.take(input);
        }
    }

    fn obey(&mut self, was_over: bool) {
        while let Some(action) = self.session.action() {
            // A venue without a key has nothing to hide; what sounds like one is only a word of its server.
            assert!(!self.has_key || !format!("{action:?}").contains(KEY), "the key is told");
            match action {
                Action::Open => {
                    assert!(!self.is_open && !was_over, "a second connection, or one after the end");
                    self.is_open = true;
                    self.opens += 1;
                }
                Action::Close(_) => self.is_open = false,
                _ => {}
            }
        }
    }
}

fn channels(count: u8) -> BTreeSet<String> {
    (0..=count).map(|number| format!("T.A{number}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        /// Without coverage to steer by, but with each run of the tests.
        #[test]
        fn any_bytes_keep_the_laws(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::frame(&bytes);
            super::session(&bytes);
        }
    }
}
