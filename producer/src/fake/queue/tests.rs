use std::borrow::Cow;

use super::*;

fn frame(text: &str) -> Frame {
    vec![Arc::new(Played {
        channel_kind: Cow::Borrowed("T"),
        symbol: "A".to_owned(),
        json: text.to_owned(),
        is_valid: true,
        is_torn: false,
    })]
}

#[tokio::test]
async fn a_full_queue_ends_its_connection_and_takes_nothing_more() {
    let queue = Queue::default();
    for text in ["longer than the limit", "second"] {
        queue.push(frame(text), 10, Duration::ZERO).await;
    }
    assert_eq!(queue.next().await.unwrap_err(), End::SLOW_CONSUMER);
    queue.push(frame("third"), 10, Duration::ZERO).await;
    queue.end(End::DROP);
    assert_eq!(queue.ended().await, End::SLOW_CONSUMER);
}

#[tokio::test]
async fn what_is_being_written_still_takes_its_place() {
    let queue = Queue::default();
    queue.push(frame("123"), 10, Duration::ZERO).await;
    queue.push(frame("456"), 10, Duration::ZERO).await;
    let first = queue.next().await.unwrap();
    assert!(queue.try_push(frame("789"), 10).is_err());
    queue.written(&first);
    assert!(queue.try_push(frame("789"), 10).is_ok());
    for text in ["456", "789"] {
        let next = queue.next().await.unwrap();
        assert_eq!(next[0].json, text);
        assert!(!queue.is_empty());
        queue.written(&next);
    }
    assert!(queue.is_empty());
}
