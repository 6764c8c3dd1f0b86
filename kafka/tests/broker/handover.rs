//! Several members: partitions change hands, static members come back, doubles are fenced.

use std::collections::BTreeMap;

use tape_kafka::{CommitMode, GroupConsumer, GroupEvent, Part, Reaction};

use crate::support::*;

/// A member that reads all it gets, commits when it must give something back, and notes what it saw.
struct Member {
    consumer: GroupConsumer,
    owned: Vec<Part>,
    seen: BTreeMap<(i32, i64), u32>,
}

impl Member {
    fn join(group: &str, parts: &[Part], instance: Option<&str>) -> Self {
        let mut spec = group_spec(group, parts);
        spec.instance_id = instance.map(str::to_owned);
        let consumer = clients().group_consumer(spec).unwrap();
        Self { consumer, owned: Vec::new(), seen: BTreeMap::new() }
    }

    fn turn(&mut self) {
        for event in self.consumer.poll_events().unwrap() {
            match event {
                GroupEvent::Assigned(parts) => self.take(parts),
                GroupEvent::Revoked(parts) => {
                    self.commit(&parts);
                    self.give(&parts);
                }
                GroupEvent::Lost(parts) => self.give(&parts),
            }
        }
        let seen = &mut self.seen;
        self.consumer
            .consume(50, TURN, &mut |record| {
                let before = seen.insert((record.partition, record.offset), number(record.value));
                assert_eq!(before, None, "twice: {record:?}");
            })
            .unwrap();
    }

    fn take(&mut self, parts: Vec<Part>) {
        let committed = self.consumer.committed(&parts, DEADLINE).unwrap();
        let starts: Vec<_> =
            committed.into_iter().map(|(part, offset)| (part, offset.unwrap_or(0))).collect();
        if !parts.is_empty() {
            self.consumer.assign(&starts).unwrap();
        }
        parts.iter().for_each(|part| self.consumer.start(part).unwrap());
        self.owned.extend(parts);
        self.owned.sort();
    }

    fn give(&mut self, parts: &[Part]) {
        if !parts.is_empty() {
            self.consumer.unassign(parts).unwrap();
        }
        self.owned.retain(|part| !parts.contains(part));
    }

    fn commit(&self, parts: &[Part]) {
        let offsets: Vec<(Part, i64)> =
            parts.iter().filter_map(|part| Some((part.clone(), self.consumer.position(part)?))).collect();
        if !offsets.is_empty() {
            self.consumer.commit_offsets(&offsets, CommitMode::Wait(DEADLINE)).unwrap();
        }
    }

    fn leave(self) -> BTreeMap<(i32, i64), u32> {
        self.commit(&self.owned);
        assert!(self.consumer.close(DEADLINE));
        self.seen
    }
}

#[test]
fn two_members_share_and_hand_over() {
    let parts = topic("share", 4);
    let group = unique("group");
    parts.iter().for_each(|part| write(part, 0..100));
    let mut first = Member::join(&group, &parts, None);
    until("the first member has all", || {
        first.turn();
        (first.owned.len() == 4 && first.seen.len() == 400).then_some(())
    });

    let mut second = Member::join(&group, &parts, None);
    until("the members share", || {
        first.turn();
        second.turn();
        (first.owned.len() == 2 && second.owned.len() == 2).then_some(())
    });
    // Nothing old comes again, all that is new comes once.
    parts.iter().for_each(|part| write(part, 100..200));
    until("both have read", || {
        first.turn();
        second.turn();
        (first.seen.len() + second.seen.len() == 800).then_some(())
    });

    let mut all = second.leave();
    parts.iter().for_each(|part| write(part, 200..300));
    until("the first member has all again", || {
        first.turn();
        (first.owned.len() == 4 && first.seen.len() + all.len() == 1200).then_some(())
    });
    all.extend(first.leave());
    let expected: BTreeMap<(i32, i64), u32> = (0..4)
        .flat_map(|partition| (0..300).map(move |number| ((partition, i64::from(number)), number)))
        .collect();
    assert_eq!(all, expected);
}

#[test]
fn rebalances_in_full_flow_lose_and_double_nothing() {
    const RECORDS: u32 = 20_000;
    let parts = topic("flow", 6);
    let group = unique("group");
    parts.iter().for_each(|part| write(part, 0..RECORDS));
    let total = parts.len() * RECORDS as usize;
    let mut stays = Member::join(&group, &parts, None);
    let mut all = BTreeMap::new();
    // Somebody comes and goes, again and again, while both read as fast as they can.
    for round in 0..4 {
        let mut comes = Member::join(&group, &parts, None);
        until("a share and some work for each", || {
            stays.turn();
            comes.turn();
            let shared = !stays.owned.is_empty() && !comes.owned.is_empty();
            (shared && comes.seen.len() > 500 * round).then_some(())
        });
        for (key, number) in comes.leave() {
            assert_eq!(all.insert(key, number), None, "twice: {key:?}");
        }
    }
    until("everything", || {
        stays.turn();
        (stays.seen.len() + all.len() >= total).then_some(())
    });
    for (key, number) in stays.leave() {
        assert_eq!(all.insert(key, number), None, "twice: {key:?}");
    }
    assert_eq!(all.len(), total);
    assert!(all.iter().all(|((_, offset), number)| *offset == i64::from(*number)));
}

#[test]
fn a_static_member_comes_back_to_its_partitions() {
    let parts = topic("static", 2);
    let group = unique("group");
    let mut one = Member::join(&group, &parts, Some("one"));
    until("one has all", || {
        one.turn();
        (one.owned.len() == 2).then_some(())
    });
    let mut two = Member::join(&group, &parts, Some("two"));
    until("they share", || {
        one.turn();
        two.turn();
        (one.owned.len() == 1 && two.owned.len() == 1).then_some(())
    });
    let kept = one.owned.clone();
    let others = two.owned.clone();
    one.leave();

    let mut one = Member::join(&group, &parts, Some("one"));
    until("one is back", || {
        one.turn();
        two.turn();
        assert_eq!(two.owned, others, "the other member keeps its partition");
        (one.owned.len() == 1).then_some(())
    });
    assert_eq!(one.owned, kept);
}

#[test]
fn the_older_of_two_members_with_one_instance_id_is_fenced() {
    let parts = topic("double", 1);
    let group = unique("group");
    let mut older = Member::join(&group, &parts, Some("one"));
    until("it is in", || {
        older.turn();
        (older.owned.len() == 1).then_some(())
    });
    let mut newer = Member::join(&group, &parts, Some("one"));
    let error = until("a fence", || {
        newer.turn();
        older.consumer.poll_events().err()
    });
    assert_eq!(error.reaction, Reaction::Fenced, "{error}");
    assert!(error.to_string().contains("INSTANCE_ID"), "{error}");
    // It says so for ever, to every question that it does not answer.
    if let Err(error) = older.consumer.committed(&parts, DEADLINE) {
        assert_eq!(error.reaction, Reaction::Fenced, "{error}");
    }
    assert_eq!(older.consumer.poll_events().unwrap_err().reaction, Reaction::Fenced);
    let late = [(parts[0].clone(), 1)];
    let error = older.consumer.commit_offsets(&late, CommitMode::Wait(DEADLINE)).unwrap_err();
    assert_eq!(error.reaction, Reaction::Fenced, "{error}");
    assert!(older.consumer.close(DEADLINE));
}

#[test]
fn a_member_that_stopped_polling_loses_its_partitions_and_its_voice() {
    let parts = topic("stalled", 1);
    write(&parts[0], 0..10);
    let group = unique("group");
    let mut spec = group_spec(&group, &parts);
    spec.max_poll_interval = spec.session_timeout;
    let mut stalled = clients().group_consumer(spec).unwrap();
    assigned(&mut stalled);
    stalled.assign(&[(parts[0].clone(), 0)]).unwrap();
    let before = stalled.group_metadata().unwrap();

    let mut other = Member::join(&group, &parts, None);
    until("the other has the partition", || {
        other.turn();
        (other.owned.len() == 1).then_some(())
    });
    // It does not know yet, but nobody listens to it.
    let late = [(parts[0].clone(), 3)];
    let error = stalled.commit_offsets(&late, CommitMode::Wait(DEADLINE)).unwrap_err();
    assert_eq!(error.reaction, Reaction::Abort, "{error}");
    let producer = transactional(&unique("txn"), None);
    let metadata = [Ok(before), stalled.group_metadata()];
    for metadata in metadata {
        producer.begin().unwrap();
        let outcome = metadata.and_then(|metadata| producer.send_offsets(&late, &metadata, DEADLINE));
        let error = outcome.and_then(|()| producer.commit(DEADLINE)).unwrap_err();
        assert_eq!(error.reaction, Reaction::Abort, "{error}");
        producer.abort(DEADLINE).unwrap();
    }
    let lost = until("it is told", || {
        let events = stalled.poll_events().unwrap();
        stalled.consume(1, TURN, &mut |_| ()).unwrap();
        events.into_iter().find(|event| matches!(event, GroupEvent::Lost(_) | GroupEvent::Revoked(_)))
    });
    assert_eq!(lost, GroupEvent::Lost(parts.clone()));
    stalled.unassign(&parts).unwrap();
    assert_eq!(other.leave().len(), 10);
}
