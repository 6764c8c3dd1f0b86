//! The laws of the session, against any server and any clock.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What may happen.
#[derive(Debug, Clone)]
enum Event {
    Opened,
    OpenFailed,
    Status(StatusKind),
    Data,
    Alive,
    Closed(Option<u16>),
    Failed,
    Want(BTreeSet<String>),
    Stop,
    /// The next step of a log-in, whatever it is: most random sequences would not come far.
    Next,
    /// On to the deadline.
    Wait,
}

fn channels() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("T\\.[A-F]", 0..5)
}

fn status_kind() -> impl Strategy<Value = StatusKind> {
    prop_oneof![
        Just(StatusKind::Connected),
        Just(StatusKind::AuthSuccess),
        Just(StatusKind::AuthTimeout),
        Just(StatusKind::AuthRequired),
        Just(StatusKind::Success),
        Just(StatusKind::Error),
        Just(StatusKind::MaxConnections),
        Just(StatusKind::SlowConsumer),
        Just(StatusKind::ForceDisconnect),
        "T\\.[A-F]".prop_map(StatusKind::Subscribed),
        "T\\.[A-F]".prop_map(StatusKind::Unsubscribed),
        Just(StatusKind::Other(KEY.to_owned())),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => Just(Event::Next),
        20 => Just(Event::Wait),
        6 => status_kind().prop_map(Event::Status),
        4 => channels().prop_map(Event::Want),
        3 => Just(Event::Data),
        3 => Just(Event::Alive),
        2 => Just(Event::Opened),
        1 => Just(Event::OpenFailed),
        1 => prop_oneof![Just(None), Just(Some(1000)), Just(Some(1008))].prop_map(Event::Closed),
        1 => Just(Event::Failed),
    ]
}

/// Ends are rare, or there is nothing to see after them.
fn story() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let step = || (event(), prop_oneof![3 => 0..200_u64, 1 => 0..100_000_u64]);
    let last = prop_oneof![Just(Event::Stop), Just(Event::Status(StatusKind::AuthFailed)), Just(Event::Next)];
    let part = || prop::collection::vec(step(), 0..120);
    (part(), last, part()).prop_map(|(mut story, last, rest)| {
        story.push((last, 0));
        story.extend(rest);
        story
    })
}

/// The other side: it believes what it is told.
struct Witness {
    bench: Bench,
    wanted: BTreeSet<String>,
    subscribed: BTreeSet<String>,
    /// There is a socket, or an attempt to open one.
    in_use: bool,
    opens: Vec<Duration>,
    over: bool,
}

impl Witness {
    fn new(wanted: BTreeSet<String>, seed: u64, first: Duration) -> Self {
        let settings = Settings {
            dialect: &Massive,
            api_key: Some(Secret::new(KEY)),
            backoff_first: first,
            backoff_max: first.saturating_mul(12),
        };
        let now = Duration::ZERO;
        let session = Session::new(settings, wanted.clone(), seed, now);
        let mut witness = Self {
            bench: Bench { session, now, actions: vec![] },
            wanted,
            subscribed: BTreeSet::new(),
            in_use: false,
            opens: vec![],
            over: false,
        };
        witness.bench.drain();
        witness.check();
        witness
    }

    fn happen(&mut self, event: &Event, later: Duration) {
        self.bench.now += later;
        match event {
            Event::Wait => self.bench.now = self.bench.now.max(self.bench.session.deadline().min(DAYS)),
            Event::Want(wanted) => self.wanted.clone_from(wanted),
            _ => {}
        }
        // What does not fit the state is ignored.
        match event {
            Event::OpenFailed if self.bench.state() == "connecting" => self.in_use = false,
            Event::Closed(_) | Event::Failed => self.in_use = false,
            _ => {}
        }
        match event {
            Event::Next => match self.bench.state() {
                "connecting" => self.bench.handle(Input::Opened),
                "opened" => self.bench.status("connected", ""),
                "greeted" => self.bench.status("auth_success", ""),
                _ => self.bench.handle(Input::Data),
            },
            Event::Opened => self.bench.handle(Input::Opened),
            Event::OpenFailed => self.bench.handle(Input::OpenFailed(KEY)),
            Event::Status(kind) => {
                let status = Status { kind: kind.clone(), message: format!("about {KEY}") };
                self.bench.handle(Input::Status(&status));
            }
            Event::Data => self.bench.handle(Input::Data),
            Event::Alive => self.bench.handle(Input::Alive),
            Event::Closed(code) => self.bench.handle(Input::Closed { code: *code, reason: KEY }),
            Event::Failed => self.bench.handle(Input::Failed(KEY)),
            Event::Want(wanted) => self.bench.handle(Input::Want(wanted.clone())),
            Event::Stop => self.bench.handle(Input::Stop),
            Event::Wait => self.bench.handle(Input::Tick),
        }
        self.check();
    }

    fn check(&mut self) {
        for action in self.bench.take() {
            assert!(
                !self.over || matches!(action, Action::Close(_) | Action::Tell(_)),
                "{action:?} after the end"
            );
            match action {
                Action::Open => {
                    assert!(!std::mem::replace(&mut self.in_use, true), "two connections");
                    self.opens.push(self.bench.now);
                    self.subscribed.clear();
                }
                Action::Close(_) => self.in_use = false,
                Action::Send(text) => self.obey(&text),
                Action::SendSecret(_) | Action::Ping => assert!(self.in_use, "no socket"),
                Action::Tell(_) => {}
            }
        }
        if self.bench.session.state.is_live() {
            assert_eq!(self.subscribed, self.wanted);
        }
        assert!(self.bench.session.deadline() > self.bench.now, "a deadline in the past");
        assert!(!format!("{:?}", self.bench.session).contains(KEY), "the key shows");
        self.over |= matches!(self.bench.state(), "refused" | "stopped");
    }

    fn obey(&mut self, text: &str) {
        assert!(self.in_use, "no socket");
        let message: Value = serde_json::from_str(text).expect("JSON");
        for channel in message["params"].as_str().expect("a list").split(',') {
            match message["action"].as_str() {
                Some("subscribe") => self.subscribed.insert(channel.to_owned()),
                Some("unsubscribe") => self.subscribed.remove(channel),
                _ => panic!("{text}"),
            };
        }
    }

    fn most_opens_in_a_minute(&self) -> usize {
        let within = |start: Duration| {
            self.opens
                .iter()
                .filter(|&&open| open >= start && open <= start + Duration::from_secs(60))
                .count()
        };
        self.opens.iter().map(|&start| within(start)).max().unwrap_or(0)
    }
}

/// Longer than any story.
const DAYS: Duration = Duration::from_secs(1_000_000_000);

/// The bound that the docs promise.
fn bound(first: Duration) -> usize {
    let floor = (first / 2).max(backoff::PAUSE_MIN);
    1 + (Duration::from_secs(60).as_nanos() / floor.as_nanos()) as usize
}

proptest! {
    #[test]
    fn any_story_obeys_the_laws(
        story in story(),
        wanted in channels(),
        seed in any::<u64>(),
        first in prop_oneof![Just(0), Just(1), 2..10_000_u64],
    ) {
        let first = Duration::from_millis(first);
        let mut witness = Witness::new(wanted, seed, first);
        for (event, later) in story {
            witness.happen(&event, Duration::from_millis(later));
        }
        prop_assert!(witness.most_opens_in_a_minute() <= bound(first));
    }

    #[test]
    fn a_server_that_hangs_up_at_once_is_asked_seldom(seed in any::<u64>(), steps in 1..5_usize, closes in any::<bool>()) {
        let first = Duration::from_secs(5);
        let mut witness = Witness::new(BTreeSet::from(["T.A".to_owned()]), seed, first);
        while witness.bench.now < Duration::from_secs(1200) {
            // 1: the socket, 2: the greeting, 3: the key, 4: data.
            (0..steps).for_each(|_| witness.happen(&Event::Next, Duration::ZERO));
            let end = if closes { Event::Closed(Some(1000)) } else { Event::Failed };
            witness.happen(&end, Duration::ZERO);
            witness.happen(&Event::Wait, Duration::ZERO);
        }
        prop_assert_eq!(bound(first), 25);
        prop_assert!(witness.most_opens_in_a_minute() <= 25);
        if steps < 4 {
            prop_assert!(witness.opens.len() < 100, "{} in twenty minutes", witness.opens.len());
        }
    }

    #[test]
    fn a_server_that_throws_us_out_is_asked_once_a_minute(seed in any::<u64>()) {
        let mut witness = Witness::new(BTreeSet::new(), seed, Duration::from_secs(5));
        for _ in 0..50 {
            (0..4).for_each(|_| witness.happen(&Event::Next, Duration::ZERO));
            witness.happen(&Event::Status(StatusKind::MaxConnections), Duration::ZERO);
            witness.happen(&Event::Wait, Duration::ZERO);
        }
        prop_assert!(witness.opens.is_sorted_by_key(|open| *open));
        prop_assert!(witness.opens.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(60)));
    }
}
