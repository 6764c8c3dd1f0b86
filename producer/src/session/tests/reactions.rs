//! To each status, in each state.

use super::*;

/// A session in each state that has a socket.
fn with_socket() -> Vec<Bench> {
    let opened = || {
        let mut bench = Bench::new("T.A");
        bench.handle(Input::Opened);
        bench
    };
    let mut greeted = opened();
    greeted.status("connected", "");
    let mut subscribed = Bench::authenticated("T.A T.B");
    subscribed.ack("T.A");
    let mut draining = Bench::streaming("T.A");
    draining.status("slow_consumer", "");
    let mut all =
        vec![opened(), greeted, Bench::authenticated("T.A"), subscribed, Bench::streaming("T.A"), draining];
    let names: Vec<_> = all.iter().map(Bench::state).collect();
    assert_eq!(names, ["opened", "greeted", "authenticated", "subscribed", "streaming", "draining"]);
    all.iter_mut().for_each(|bench| bench.actions.clear());
    all
}

/// A session in each state without one.
fn without_socket() -> Vec<Bench> {
    let mut backing_off = Bench::streaming("T.A");
    backing_off.handle(Input::Failed("x"));
    let after = |word| {
        let mut bench = Bench::streaming("T.A");
        bench.status(word, "");
        bench
    };
    let mut stopped = Bench::streaming("T.A");
    stopped.handle(Input::Stop);
    let mut all =
        vec![Bench::new("T.A"), backing_off, after("max_connections"), after("auth_failed"), stopped];
    let names: Vec<_> = all.iter().map(Bench::state).collect();
    assert_eq!(names, ["connecting", "backing off", "cooling down", "refused", "stopped"]);
    all.iter_mut().for_each(|bench| bench.actions.clear());
    all
}

#[test]
fn auth_failed_is_final() {
    for mut bench in with_socket() {
        bench.status("auth_failed", "your plan has no websocket");
        let told = Action::Tell(Notice::Refused("your plan has no websocket".to_owned()));
        assert_eq!((bench.take(), bench.state()), (vec![Action::Close(1000), told], "refused"));
        assert_eq!(bench.session.deadline(), Duration::MAX);
        bench.handle(Input::Closed { code: None, reason: "" });
        bench.pass(100_000);
        assert_eq!(bench.take(), []);
    }
}

#[test]
fn max_connections_and_force_disconnect_cool_down() {
    for (word, cause) in
        [("max_connections", Cause::MaxConnections), ("force_disconnect", Cause::ForceDisconnect)]
    {
        for mut bench in with_socket() {
            bench.status(word, "one is enough");
            let until = bench.session.deadline();
            let lost = Notice::Lost { cause, code: None, detail: "one is enough".to_owned(), at: bench.now };
            let told = [lost, Notice::CoolingDown { until, cause }].map(Action::Tell);
            assert_eq!(bench.take(), [&[Action::Close(GOING_AWAY)], &told[..]].concat());
            // The close or the drop that follows changes nothing.
            bench.handle(Input::Closed { code: Some(1008), reason: "" });
            assert_eq!((bench.take(), bench.state()), (vec![], "cooling down"));
            assert!(bench.reopen() >= Duration::from_secs(60));
        }
    }
}

#[test]
fn cool_downs_grow_until_streaming_lasted() {
    let mut bench = Bench::new("T.A");
    let mut cool_down = |stream: u64| {
        bench.log_in();
        bench.handle(Input::Data);
        for _ in 0..stream / 30 {
            bench.pass(30);
            bench.handle(Input::Alive);
        }
        bench.status("max_connections", "");
        bench.reopen()
    };
    let longest = (0..40).map(|_| cool_down(0)).max().expect("some");
    assert!(longest > Duration::from_secs(300), "{longest:?}");
    assert!(longest <= backoff::COOL_DOWN + backoff::COOL_DOWN_JITTER_MAX);
    for _ in 0..40 {
        assert!(cool_down(CALM_AFTER.as_secs()) <= 2 * backoff::COOL_DOWN);
    }
}

#[test]
fn a_slow_consumer_waits_for_the_close_and_reconnects() {
    for mut bench in with_socket().into_iter().take(5) {
        bench.status("slow_consumer", "too slow");
        assert_eq!(bench.notices(), [Notice::SlowConsumer("too slow".to_owned())]);
        bench.handle(Input::Data);
        bench.status("slow_consumer", "again");
        assert_eq!((bench.take(), bench.state()), (vec![], "draining"), "told once");
        bench.handle(Input::Closed { code: Some(1008), reason: "" });
        assert!(!bench.lost(Cause::SlowConsumer));
        bench.reopen();
    }
}

#[test]
fn auth_timeout_reconnects() {
    for mut bench in with_socket() {
        bench.status("auth_timeout", "");
        assert!(bench.lost(Cause::ServerAuthTimeout));
        assert_eq!(bench.state(), "backing off");
    }
}

#[test]
fn auth_required_is_answered_with_the_key() {
    for mut bench in with_socket() {
        let before = bench.state();
        bench.status("auth_required", "first the key");
        let actions = bench.take();
        assert_eq!(actions[0], Action::Tell(Notice::AuthRequired("first the key".to_owned())));
        match before {
            "opened" => {
                assert!(matches!(actions[1], Action::SendSecret(_)), "{actions:?}");
                assert_eq!(bench.state(), "greeted");
            }
            "greeted" | "draining" => assert_eq!((actions.len(), bench.state()), (1, before)),
            _ => {
                assert_eq!((&actions[1], bench.state()), (&Action::Close(GOING_AWAY), "backing off"));
                bench.reopen();
            }
        }
    }
}

#[test]
fn errors_and_unknown_statuses_are_told() {
    for mut bench in with_socket() {
        let before = bench.state();
        bench.status("error", "not authorized");
        bench.status("tea_time", "now");
        let unknown = Notice::UnknownStatus { status: "tea_time".to_owned(), message: "now".to_owned() };
        assert_eq!(bench.notices(), [Notice::SubscriptionError("not authorized".to_owned()), unknown]);
        assert_eq!(bench.state(), before);
    }
}

#[test]
fn a_greeting_or_an_acknowledgement_out_of_place_changes_nothing() {
    for mut bench in with_socket() {
        let before = bench.state();
        if before != "opened" {
            bench.status("connected", "");
            bench.status("success", "");
        }
        if before != "greeted" {
            bench.status("auth_success", "");
        }
        bench.ack("T.UNKNOWN");
        bench.status("success", "unsubscribed to: T.A");
        assert_eq!((bench.take(), bench.state()), (vec![], before));
    }
}

#[test]
fn a_success_without_a_channel_is_a_greeting() {
    let mut bench = Bench::new("T.A");
    bench.handle(Input::Opened);
    bench.status("success", "Connected Successfully");
    assert_eq!(bench.state(), "greeted");
}

#[test]
fn without_a_socket_no_frame_has_a_meaning() {
    for mut bench in without_socket() {
        let (before, deadline) = (bench.state(), bench.session.deadline());
        for word in ["connected", "auth_success", "auth_failed", "auth_required", "slow_consumer", "odd"] {
            bench.status(word, "");
        }
        bench.ack("T.A");
        bench.handle(Input::Data);
        bench.handle(Input::Alive);
        assert_eq!((bench.take(), bench.state(), bench.session.deadline()), (vec![], before, deadline));
    }
}

#[test]
fn a_stop_closes_what_is_open_and_is_final() {
    for mut bench in with_socket().into_iter().chain(without_socket()) {
        let open = bench.session.state.has_socket() || bench.state() == "connecting";
        bench.handle(Input::Stop);
        assert_eq!(bench.take(), if open { vec![Action::Close(1000)] } else { vec![] });
        bench.handle(Input::Closed { code: Some(1000), reason: "" });
        bench.handle(Input::Want(set("T.X")));
        bench.pass(100_000);
        assert_eq!((bench.take(), bench.state()), (vec![], "stopped"));
    }
}
