use super::*;

fn lanes() -> Lanes<()> {
    let mut lanes = Lanes::new();
    for (topic, partition, next) in [("a", 0, 10), ("a", 1, 20), ("b", 0, 30)] {
        lanes.add(Part::new(topic, partition), next, ());
        lanes.get_mut(&Part::new(topic, partition)).unwrap().open = true;
    }
    lanes
}

#[test]
fn each_record_once_in_order_and_only_of_open_lanes() {
    let mut lanes = lanes();
    lanes.get_mut(&Part::new("b", 0)).unwrap().open = false;
    let steps = [
        ("a", 0, 10, true),
        ("a", 0, 11, true),
        ("a", 0, 11, false), // once more
        ("a", 0, 9, false),  // older than where we began
        ("a", 1, 25, true),  // a gap is a marker, or compaction
        ("a", 1, 24, false),
        ("a", 0, 12, true),
        ("b", 0, 30, false), // closed
        ("c", 0, 0, false),  // not ours
        ("a", 2, 0, false),
    ];
    for (topic, partition, offset, expected) in steps {
        assert_eq!(lanes.admit(topic, partition, offset), expected, "{topic}[{partition}] {offset}");
    }
    let positions: Vec<i64> = lanes.iter().map(|lane| lane.next).collect();
    assert_eq!(positions, [13, 26, 30]);
}

#[test]
fn the_end_of_a_partition_moves_forward_only() {
    let mut lanes = lanes();
    lanes.pass("a", 0, 15);
    lanes.pass("a", 0, 12);
    lanes.pass("c", 0, 99);
    assert_eq!(lanes.get(&Part::new("a", 0)).unwrap().next, 15);
    assert!(!lanes.admit("a", 0, 14));
    assert!(lanes.admit("a", 0, 15));
}

#[test]
fn removing_a_lane_leaves_the_others_reachable() {
    let mut lanes = lanes();
    assert!(lanes.admit("b", 0, 30)); // the last one is remembered, then moves
    assert!(lanes.remove(&Part::new("a", 0)).is_some());
    assert!(lanes.remove(&Part::new("a", 0)).is_none());
    assert!(lanes.admit("b", 0, 31));
    assert!(lanes.admit("a", 1, 20));
    assert!(!lanes.admit("a", 0, 10));
}
