//! Each arrow of the drawing and each row of the tables.

mod laws;
mod reactions;
mod timeouts;

use super::*;
use crate::massive::wire::Massive;

const KEY: &str = "sEcr3t-key-0123456789";

/// A session, its clock and what it asked for.
struct Bench {
    session: Session,
    now: Duration,
    actions: Vec<Action>,
}

impl Bench {
    fn new(channels: &str) -> Self {
        let settings = Settings {
            dialect: &Massive,
            api_key: Some(Secret::new(KEY)),
            backoff_first: Duration::from_secs(5),
            backoff_max: Duration::from_secs(60),
        };
        let now = Duration::from_secs(1000);
        let mut bench = Self { session: Session::new(settings, set(channels), 7, now), now, actions: vec![] };
        bench.drain();
        bench
    }

    /// As far as the key is accepted; what was done so far is forgotten.
    fn authenticated(channels: &str) -> Self {
        let mut bench = Self::new(channels);
        bench.log_in();
        bench.actions.clear();
        bench
    }

    fn streaming(channels: &str) -> Self {
        let mut bench = Self::authenticated(channels);
        bench.handle(Input::Data);
        assert_eq!(bench.state(), "streaming");
        bench.actions.clear();
        bench
    }

    fn log_in(&mut self) {
        self.handle(Input::Opened);
        self.status("connected", "hello");
        self.status("auth_success", "ok");
        assert_eq!(self.state(), "authenticated");
    }

    fn handle(&mut self, input: Input<'_>) {
        self.session.handle(input, self.now);
        self.drain();
    }

    fn status(&mut self, word: &str, message: &str) {
        let frame = format!(r#"[{{"ev":"status","status":"{word}","message":"{message}"}}]"#);
        for status in self.session.dialect().statuses(frame.as_bytes()) {
            self.handle(Input::Status(&status));
        }
    }

    fn ack(&mut self, channel: &str) {
        self.status("success", &format!("subscribed to: {channel}"));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.handle(Input::Tick);
    }

    /// On to the next deadline.
    fn wait(&mut self) -> Duration {
        let before = self.now;
        self.now = self.session.deadline();
        self.handle(Input::Tick);
        self.now - before
    }

    /// Waits for the pause to end.
    fn reopen(&mut self) -> Duration {
        self.actions.clear();
        let pause = self.wait();
        assert_eq!(self.actions, [Action::Open]);
        assert_eq!(self.state(), "connecting");
        pause
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.action() {
            assert!(!format!("{action:?}").contains(KEY));
            self.actions.push(action);
        }
    }

    fn state(&self) -> &'static str {
        self.session.state_name()
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn notices(&mut self) -> Vec<Notice> {
        let tell = |action| if let Action::Tell(notice) = action { Some(notice) } else { None };
        self.take().into_iter().filter_map(tell).collect()
    }

    /// The connection was lost for this cause; whether we closed it.
    fn lost(&mut self, expected: Cause) -> bool {
        let actions = self.take();
        let is_loss = |action: &Action| matches!(action, Action::Tell(Notice::Lost { cause, .. }) if *cause == expected);
        assert_eq!(actions.iter().filter(|action| is_loss(action)).count(), 1, "{expected:?}: {actions:?}");
        actions.contains(&Action::Close(GOING_AWAY))
    }
}

fn set(channels: &str) -> BTreeSet<String> {
    channels.split_whitespace().map(str::to_owned).collect()
}

fn sent(action: &str, channels: &str) -> Action {
    Action::Send(format!(r#"{{"action":"{action}","params":"{channels}"}}"#))
}

#[test]
fn the_straight_way() {
    let mut bench = Bench::new("T.A T.B");
    assert_eq!((bench.take(), bench.state()), (vec![Action::Open], "connecting"));
    bench.handle(Input::Opened);
    assert_eq!((bench.take(), bench.state()), (vec![Action::Tell(Notice::Opened)], "opened"));
    bench.status("connected", "hello");
    let key = format!(r#"{{"action":"auth","params":"{KEY}"}}"#);
    assert_eq!((bench.take(), bench.state()), (vec![Action::SendSecret(Secret::new(key))], "greeted"));
    bench.status("auth_success", "ok");
    let expected = vec![Action::Tell(Notice::Authenticated), sent("subscribe", "T.A,T.B")];
    assert_eq!((bench.take(), bench.state()), (expected, "authenticated"));
    bench.ack("T.B");
    assert_eq!((bench.take(), bench.state()), (vec![], "subscribed"));
    bench.ack("T.A");
    assert_eq!(bench.notices(), [Notice::Confirmed { count: 2 }]);
    bench.handle(Input::Data);
    assert_eq!((bench.notices(), bench.state()), (vec![Notice::Streaming], "streaming"));
    bench.handle(Input::Data);
    assert_eq!(bench.take(), [], "told once");
    bench.handle(Input::Stop);
    assert_eq!((bench.take(), bench.state()), (vec![Action::Close(1000)], "stopped"));
    assert_eq!(bench.session.deadline(), Duration::MAX);
}

#[test]
fn data_makes_a_connection_healthy_before_the_first_ack() {
    let mut bench = Bench::authenticated("T.A");
    bench.handle(Input::Data);
    assert_eq!((bench.notices(), bench.state()), (vec![Notice::Streaming], "streaming"));
    bench.ack("T.A");
    assert_eq!((bench.notices(), bench.state()), (vec![Notice::Confirmed { count: 1 }], "streaming"));
}

#[test]
fn a_change_of_what_is_wanted_keeps_the_socket() {
    let mut bench = Bench::streaming("T.A T.B");
    bench.handle(Input::Want(set("T.B T.C T.D")));
    assert_eq!(bench.take(), [sent("unsubscribe", "T.A"), sent("subscribe", "T.C,T.D")]);
    bench.handle(Input::Want(set("T.B T.C T.D")));
    assert_eq!(bench.take(), []);
    // What no longer is wanted is not missed.
    bench.status("success", "unsubscribed to: T.A");
    bench.ack("T.B");
    bench.ack("T.C");
    bench.handle(Input::Want(set("T.B T.C")));
    let expected = [sent("unsubscribe", "T.D"), Action::Tell(Notice::Confirmed { count: 2 })];
    assert_eq!(bench.take(), expected);
}

#[test]
fn a_change_without_a_connection_counts_at_the_next_one() {
    let mut bench = Bench::new("T.A");
    bench.handle(Input::Want(set("T.B")));
    bench.handle(Input::Opened);
    bench.status("connected", "");
    bench.handle(Input::Want(set("T.C T.D")));
    bench.take();
    bench.status("auth_success", "");
    assert_eq!(bench.take()[1..], [sent("subscribe", "T.C,T.D")]);
}

#[test]
fn wanting_nothing_is_no_mistake() {
    let mut bench = Bench::authenticated("");
    bench.pass(11);
    assert_eq!((bench.take(), bench.state()), (vec![], "authenticated"));
    bench.handle(Input::Want(set("T.A")));
    assert_eq!(bench.take(), [sent("subscribe", "T.A")]);
}

#[test]
fn the_next_connection_asks_for_everything_wanted_and_ends_the_gap() {
    let mut bench = Bench::authenticated("T.A T.B");
    bench.ack("T.A");
    let from = bench.now;
    bench.now += Duration::from_secs(2);
    bench.handle(Input::Closed { code: Some(1006), reason: "" });
    // A connection that brings nothing leaves the gap open.
    bench.reopen();
    bench.log_in();
    bench.handle(Input::Failed("reset"));
    bench.reopen();
    bench.log_in();
    assert_eq!(bench.take().last(), Some(&sent("subscribe", "T.A,T.B")));
    bench.pass(3);
    bench.ack("T.B");
    assert_eq!(bench.notices(), [Notice::Gap { from, to: bench.now }]);
    bench.ack("T.A");
    assert_eq!(bench.notices(), [Notice::Confirmed { count: 2 }], "one gap");
}

#[test]
fn every_end_of_a_connection_is_followed_by_the_next() {
    for code in [None, Some(1000), Some(1001), Some(1006), Some(1008), Some(1011)] {
        let mut bench = Bench::streaming("T.A");
        bench.handle(Input::Closed { code, reason: &format!("bye {KEY}") });
        let expected =
            Notice::Lost { cause: Cause::Closed, code, detail: "bye ***".to_owned(), at: bench.now };
        assert_eq!(bench.notices()[0], expected);
        assert_eq!(bench.state(), "backing off");
        bench.reopen();
    }
    let mut bench = Bench::streaming("T.A");
    bench.handle(Input::Failed("reset by peer"));
    assert!(!bench.lost(Cause::Failed));
    bench.reopen();
    bench.handle(Input::OpenFailed("no such host"));
    assert!(!bench.lost(Cause::OpenFailed));
    bench.reopen();
}

#[test]
fn the_key_does_not_show() {
    let mut bench = Bench::new("T.A");
    assert!(!format!("{:?}", bench.session).contains(KEY));
    bench.handle(Input::Opened);
    bench.status(&format!("odd {KEY}"), &format!("so {KEY} it is"));
    let expected = Notice::UnknownStatus { status: "odd ***".to_owned(), message: "so *** it is".to_owned() };
    assert_eq!(bench.notices().last(), Some(&expected));
}
