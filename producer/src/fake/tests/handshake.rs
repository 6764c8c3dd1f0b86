use super::*;

#[tokio::test]
async fn greeting_key_acks_and_silence_for_the_unknown() {
    let behaviour = Behaviour { forbidden: vec!["Q".to_owned()], ..Behaviour::default() };
    let server = misbehaving(behaviour, 0).await;
    let mut client = Client::connect(&server, "stocks").await.unwrap();
    assert_eq!(client.status().await, "connected");
    client.say("subscribe", "T.AAA").await;
    assert_eq!(client.status().await, "auth_required");
    client.0.send(Message::text("what?")).await.unwrap();
    assert_eq!(client.status().await, "error");
    client.say("auth", "key").await;
    assert_eq!(client.status().await, "auth_success");

    client.say("subscribe", "T.AAA,T.NOBODY,ZZ.AAA,Q.AAA,T.AAA").await;
    let answer: Vec<_> = client.array().await.iter().map(|one| status(one).unwrap()).collect();
    assert_eq!(answer, ["success", "success", "error"]);
    client.say("subscribe", "T.AAA,ZZ.AAA").await;
    client.0.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(client.hear().await, Heard::Pong, "nothing to say about these channels");
    client.say("unsubscribe", "T.AAA").await;
    assert_eq!(client.status().await, "success");

    let counts = server.counters();
    assert_eq!((counts.connections, counts.authenticated, counts.subscriptions), (1, 1, 2));
    server.stop().await;
    assert_eq!(client.hear().await, Heard::End);
}

#[tokio::test]
async fn a_wrong_key_is_told_and_dropped() {
    let server = start(Options { key: Some("right".to_owned()), ..Options::default() }, trades(0)).await;
    for key in ["wrong", ""] {
        let mut client = Client::connect(&server, "crypto").await.unwrap();
        client.say("auth", key).await;
        assert_eq!(client.rest().await, (vec![], Some("auth_failed".to_owned()), Heard::End));
    }
    let mut client = Client::connect(&server, "crypto").await.unwrap();
    client.say("auth", "right").await;
    assert_eq!(client.status().await, "connected");
    assert_eq!(client.status().await, "auth_success");
    assert_eq!(server.counters().kills, 2);
}

#[tokio::test]
async fn without_a_key_the_time_ends() {
    let options = Options { auth_within: Duration::from_millis(100), ..Options::default() };
    let server = start(options, trades(0)).await;
    let mut client = Client::connect(&server, "stocks").await.unwrap();
    assert_eq!(client.rest().await, (vec![], Some("auth_timeout".to_owned()), Heard::Close(1008)));
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let server = start(Options::default(), trades(0)).await;
    for path in ["", "options", "stocks/x"] {
        let Err(tungstenite::Error::Http(response)) = Client::connect(&server, path).await else {
            panic!("{path} is served")
        };
        assert_eq!(response.status(), 404);
    }
}

#[tokio::test]
async fn a_key_has_one_connection_to_a_cluster() {
    for eviction in [Eviction::Older, Eviction::Newer] {
        let server = misbehaving(Behaviour { eviction, ..Behaviour::default() }, 0).await;
        let mut older = Client::subscribed(&server, "key", "T.AAA").await;
        let mut other = Client::subscribed(&server, "other", "T.AAA").await;
        let mut elsewhere = Client::connect(&server, "crypto").await.unwrap();
        elsewhere.say("auth", "key").await;
        let mut newer = Client::connect(&server, "stocks").await.unwrap();
        newer.say("auth", "key").await;

        let dies = if eviction == Eviction::Older { &mut older } else { &mut newer };
        assert_eq!(dies.rest().await, (vec![], Some("max_connections".to_owned()), Heard::Close(1008)));
        let lives = if eviction == Eviction::Older { &mut newer } else { &mut older };
        for client in [lives, &mut other, &mut elsewhere] {
            client.0.send(Message::Ping("x".into())).await.unwrap();
            while client.hear().await != Heard::Pong {}
        }
        assert_eq!(server.counters().kills, 1);
    }
}
