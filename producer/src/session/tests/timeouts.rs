//! What happens when nothing happens.

use super::*;

#[test]
fn each_step_of_the_log_in_has_a_time_out_of_its_own() {
    let mut bench = Bench::new("T.A");
    assert_eq!(bench.wait(), CONNECT_TIMEOUT);
    assert!(bench.lost(Cause::ConnectTimeout), "the attempt is given up");
    bench.reopen();
    bench.handle(Input::Opened);
    bench.handle(Input::Data);
    assert_eq!(bench.wait(), GREETING_TIMEOUT);
    assert!(bench.lost(Cause::GreetingTimeout));
    bench.reopen();
    bench.handle(Input::Opened);
    bench.status("connected", "");
    bench.handle(Input::Alive);
    assert_eq!(bench.wait(), AUTH_TIMEOUT);
    assert!(bench.lost(Cause::AuthTimeout));
    bench.reopen();
    bench.log_in();
    bench.status("slow_consumer", "");
    bench.handle(Input::Data);
    assert_eq!(bench.wait(), DRAIN_TIMEOUT);
    assert!(bench.lost(Cause::SlowConsumer));
    bench.reopen();
}

#[test]
fn what_came_in_time_counts_although_it_is_handed_in_late() {
    let mut bench = Bench::new("T.A");
    bench.now += 2 * CONNECT_TIMEOUT;
    bench.handle(Input::Opened);
    assert_eq!(bench.state(), "opened");
    let mut bench = Bench::streaming("T.A");
    bench.now += 2 * SILENCE_MAX;
    bench.handle(Input::Alive);
    assert_eq!(bench.state(), "streaming");
}

#[test]
fn missing_acknowledgements_are_named_and_asked_for_again() {
    let mut bench = Bench::authenticated("T.A T.B T.C");
    bench.ack("T.B");
    bench.handle(Input::Data);
    bench.take();
    let missing = Notice::MissingAcks(vec!["T.A".to_owned(), "T.C".to_owned()]);
    let mut at = Vec::new();
    let start = bench.now;
    for _ in 0..4 * 3600 {
        bench.pass(1);
        bench.handle(Input::Alive);
        for action in bench.take() {
            let second = (bench.now - start).as_secs();
            match action {
                Action::Tell(notice) => assert_eq!(notice, missing),
                Action::Send(_) => {
                    assert_eq!(action, sent("subscribe", "T.A,T.C"));
                    at.push(second);
                }
                action => assert_eq!(action, Action::Ping),
            }
        }
    }
    // Ten seconds to be named, then 1, 2, 4, … minutes, at most an hour.
    assert_eq!(at, [70, 200, 450, 940, 1910, 3840, 7450, 11060]);
    bench.ack("T.A");
    bench.ack("T.C");
    assert_eq!(bench.notices(), [Notice::Confirmed { count: 3 }]);
    assert_eq!(bench.state(), "streaming");
}

#[test]
fn new_channels_have_a_time_out_of_their_own() {
    let mut bench = Bench::streaming("T.A");
    bench.ack("T.A");
    bench.handle(Input::Want(set("T.A T.B")));
    bench.take();
    assert_eq!(bench.wait(), acks::ACK_TIMEOUT);
    assert_eq!(bench.notices(), [Notice::MissingAcks(vec!["T.B".to_owned()])]);
}

#[test]
fn pings_go_out_and_any_frame_is_proof_of_life() {
    let mut bench = Bench::authenticated("T.A");
    bench.ack("T.A");
    bench.handle(Input::Data);
    bench.take();
    for ping in 0..100 {
        assert_eq!(bench.wait(), PING_EVERY);
        assert_eq!(bench.take(), [Action::Ping]);
        if ping % 2 == 1 {
            bench.handle(Input::Alive);
        }
    }
    let heard = bench.now;
    bench.handle(Input::Alive);
    while bench.state() == "streaming" {
        bench.wait();
    }
    assert_eq!(bench.now - heard, SILENCE_MAX);
    assert!(bench.lost(Cause::Silence));
    bench.reopen();
}

#[test]
fn only_a_healthy_connection_makes_the_pauses_short_again() {
    let mut bench = Bench::new("T.A");
    let floor = Duration::from_secs(5) / 2;
    // Accepted and dropped: 40 pauses grow, up to the cap.
    let mut pauses = Vec::new();
    for attempt in 1..=40 {
        bench.log_in();
        bench.take();
        bench.handle(Input::Closed { code: Some(1000), reason: "" });
        let retry = Notice::Retry { after: bench.session.deadline() - bench.now, attempt };
        assert_eq!(bench.notices().last(), Some(&retry));
        pauses.push(bench.reopen());
    }
    assert!(pauses.iter().all(|pause| (floor..=Duration::from_secs(60)).contains(pause)), "{pauses:?}");
    assert!(pauses.iter().max() > Some(&Duration::from_secs(45)), "{pauses:?}");
    // Neither does an acknowledged subscription, unless it lasts.
    bench.log_in();
    bench.ack("T.A");
    bench.pass(29);
    assert_eq!(bench.state(), "subscribed");
    bench.handle(Input::Failed(""));
    assert!(matches!(bench.notices().last(), Some(Notice::Retry { attempt: 41, .. })));
    bench.reopen();
    bench.log_in();
    bench.ack("T.A");
    bench.pass(30);
    assert_eq!(bench.state(), "streaming");
    for _ in 0..40 {
        bench.handle(Input::Failed(""));
        assert!(matches!(bench.notices().last(), Some(Notice::Retry { attempt: 1, .. })));
        assert!((floor..=2 * floor).contains(&bench.reopen()));
        bench.log_in();
        bench.handle(Input::Data);
    }
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut bench = Bench::streaming("T.A");
    let deadline = bench.session.deadline();
    bench.session.handle(Input::Alive, Duration::ZERO);
    assert_eq!(bench.session.deadline(), deadline);
}

#[test]
fn the_end_of_time_is_survived() {
    let mut bench = Bench::streaming("T.A T.B");
    bench.now = Duration::MAX;
    for _ in 0..20 {
        bench.handle(Input::Tick);
        assert!(bench.session.deadline() >= bench.now);
    }
}
