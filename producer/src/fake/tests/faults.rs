use super::*;

/// Follows the protocol as far as the server does; what it heard after it subscribed.
async fn visit(server: &Server) -> (Vec<String>, Option<String>, Heard) {
    let mut client = Client::connect(server, "stocks").await.unwrap();
    client.say("auth", "key").await;
    client.say("subscribe", "T.*").await;
    client.rest().await
}

async fn scripted(fault: Fault) -> Server {
    misbehaving(Behaviour { script: vec![Some(fault)], ..Behaviour::default() }, 100).await
}

#[tokio::test]
async fn each_end_comes_after_its_frames() {
    for (fault, events, status, end) in [
        (Fault::Drop { after: 0 }, 0, "auth_success", Heard::End),
        (Fault::Drop { after: 3 }, 30, "success", Heard::End),
        (Fault::DropInside { after: 2 }, 20, "success", Heard::End),
        (Fault::Close { after: 1, code: 1000 }, 10, "success", Heard::Close(1000)),
        (Fault::Close { after: 2, code: 1001 }, 20, "success", Heard::Close(1001)),
        (Fault::Close { after: 0, code: 1008 }, 0, "auth_success", Heard::Close(1008)),
        (Fault::AuthTimeout, 0, "auth_timeout", Heard::Close(1008)),
        (Fault::MaxConnections, 0, "max_connections", Heard::Close(1008)),
    ] {
        let server = scripted(fault).await;
        let heard = visit(&server).await;
        assert_eq!(heard, (texts(events), Some(status.to_owned()), end), "{fault:?}");
        assert_eq!(server.delivered(), texts(events), "{fault:?}");
        assert_eq!(server.counters().kills, 1);
        // The script is over: the next connection is treated well.
        let mut client = Client::subscribed(&server, "key", "T.*").await;
        until(|| server.is_over()).await;
        client.hang_up().await;
        let rest = client.rest().await.0;
        assert_eq!([texts(events), rest].concat(), server.delivered());
    }
}

#[tokio::test]
async fn a_silent_server_answers_nothing() {
    for (fault, arrays) in
        [(Fault::NoGreeting, 0), (Fault::NoAuthAnswer, 1), (Fault::Silence { after: 2 }, 5)]
    {
        let server = scripted(fault).await;
        let mut client = Client::connect(&server, "stocks").await.unwrap();
        client.say("auth", "key").await;
        client.say("subscribe", "T.*").await;
        for _ in 0..arrays {
            client.array().await;
        }
        client.0.send(Message::Ping("x".into())).await.unwrap();
        let answer = timeout(Duration::from_millis(100), client.0.next()).await;
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        client.hang_up().await;
        assert_eq!(client.hear().await, Heard::End);
    }
}

/// Reads what comes from connection after connection until the tape is over.
async fn persist(server: &Server) -> Vec<String> {
    let mut events = Vec::new();
    while !server.is_over() {
        let mut client = Client::connect(server, "stocks").await.unwrap();
        client.say("auth", "key").await;
        client.say("subscribe", "T.*").await;
        loop {
            match timeout(Duration::from_millis(100), client.hear()).await {
                Ok(Heard::Array(elements)) => events.extend(elements),
                Ok(Heard::Torn | Heard::Pong) => {}
                Ok(Heard::Close(_) | Heard::End) => break,
                // Whoever hears nothing for a while gives up, but takes what is under way.
                Err(_) => client.hang_up().await,
            }
        }
    }
    events
}

#[tokio::test]
async fn whatever_goes_wrong_the_record_is_what_was_heard() {
    for seed in 0..3 {
        let behaviour = Behaviour {
            script: vec![
                Some(Fault::MaxConnections),
                Some(Fault::Drop { after: 7 }),
                Some(Fault::NoGreeting),
                Some(Fault::DropInside { after: 0 }),
                Some(Fault::Close { after: 1, code: 1001 }),
            ],
            fault_share: 0.7,
            spoilt_share: 0.2,
            seed,
            fragment_bytes: Some(50),
            restart_every: Some(Duration::from_millis(20)),
            ..Behaviour::default()
        };
        let server = misbehaving(behaviour, 20_000).await;
        let valid: std::collections::HashSet<_> = texts(20_000).into_iter().collect();
        let mut heard = persist(&server).await;
        heard.retain(|element| valid.contains(element));
        assert_eq!(heard, server.delivered());
        let counts = server.counters();
        assert!(counts.connections > 5 && counts.kills > 3, "{counts:?}");
        assert!(heard.len() > 100 && heard.len() < 17_000, "{}", heard.len());
    }
}
