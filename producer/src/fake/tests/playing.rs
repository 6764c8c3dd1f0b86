use super::*;

#[tokio::test]
async fn each_gets_what_it_subscribed_in_the_order_of_the_tape() {
    let options = Options { audience: 2, frame_events: 64, ..Options::default() };
    let server = start(options, trades(1_000)).await;
    let mut all = Client::subscribed(&server, "a", "T.*").await;
    let mut one = Client::subscribed(&server, "b", "T.BBB,A.AAA").await;
    until(|| server.is_over()).await;
    assert_eq!(server.counters().events, BTreeMap::from([("T".to_owned(), 1_500)]));
    assert_eq!(server.counters().frames, 32);
    server.stop().await;
    assert_eq!(all.rest().await.0, texts(1_000));
    let odd: Vec<_> = texts(1_000).into_iter().skip(1).step_by(2).collect();
    assert_eq!(one.rest().await.0, odd);
}

#[tokio::test]
async fn a_live_tape_waits_for_nobody() {
    let server = start(Options { audience: 0, ..Options::default() }, trades(10)).await;
    until(|| server.is_over()).await;
    let mut client = Client::subscribed(&server, "key", "T.*").await;
    server.stop().await;
    assert_eq!(client.rest().await.0, Vec::<String>::new());
}

/// Due one after the other, a millisecond apart.
struct Slow(std::vec::IntoIter<Event>, bool);

impl Tape for Slow {
    fn next(&mut self, now_ms: i64) -> Next {
        self.1 = !self.1;
        if self.1 { Next::WaitUntil(now_ms + 1) } else { Tape::next(&mut self.0, now_ms) }
    }
}

#[tokio::test]
async fn what_is_not_due_waits_and_the_tape_stands_still_between_clients() {
    let server = start(Options::default(), Slow(trades(1_000), false)).await;
    let mut heard = Vec::new();
    for _ in 0..2 {
        let mut client = Client::subscribed(&server, "key", "T.*").await;
        for _ in 0..10 {
            let array = client.array().await;
            assert_eq!(array.len(), 1, "one is due at a time");
            heard.extend(array);
        }
        client.say("unsubscribe", "T.*").await;
        client.hang_up().await;
        heard.extend(client.rest().await.0);
    }
    assert_eq!(heard, server.delivered());
    assert!(heard.len() >= 20);
    assert_eq!(heard, texts(heard.len()));
}

#[tokio::test]
async fn a_huge_frame_is_one_array() {
    let options = Options { frame_events: 100_000, queue_bytes: 1_000, ..Options::default() };
    let server = start(options, trades(30_000)).await;
    let mut client = Client::subscribed(&server, "key", "T.*").await;
    let array = client.array().await;
    assert!(array.iter().map(String::len).sum::<usize>() > 1 << 20);
    assert_eq!(array, texts(30_000));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_so_and_closed() {
    let options = Options { queue_bytes: 100_000, patience: Duration::from_millis(20), ..Options::default() };
    let server = start(options, trades(400_000)).await;
    let mut client = Client::subscribed(&server, "key", "T.*").await;
    until(|| !server.shared.hub.has_audience(Cluster::Stocks, 1)).await;
    let (events, status, end) = client.rest().await;
    assert_eq!((status.as_deref(), end), (Some("slow_consumer"), Heard::Close(1008)));
    assert_eq!(events, server.delivered());
    assert!(events.len() < 400_000);
    assert_eq!(server.counters().kills, 1);
}
