//! The workloads.

mod decode;
mod encode;
mod floor;
mod state;
mod stream;

use crate::Work;

/// A workload by name.
pub struct Workload {
    /// `group/name`.
    pub name: &'static str,
    /// What one operation is.
    pub unit: &'static str,
    /// Makes it ready.
    pub make: fn() -> Box<dyn Work>,
}

/// All of them, in the order of the way of a trade.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "decode/json", unit: "trade", make: decode::json },
    Workload { name: "decode/json-raw", unit: "trade", make: decode::json_raw },
    Workload { name: "decode/json-eligibility", unit: "trade", make: decode::json_eligibility },
    Workload { name: "decode/json-quoted", unit: "trade", make: decode::json_quoted },
    Workload { name: "decode/protobuf", unit: "trade", make: decode::protobuf },
    Workload { name: "decode/rejected", unit: "record", make: decode::rejected },
    Workload { name: "step/calm", unit: "trade", make: stream::calm },
    Workload { name: "step/alerts", unit: "trade", make: stream::alerts },
    Workload { name: "step/decoded", unit: "trade", make: stream::decoded },
    Workload { name: "close/windows", unit: "row", make: stream::close },
    Workload { name: "view/changed", unit: "row", make: stream::view },
    Workload { name: "encode/row-protobuf", unit: "row", make: encode::row_protobuf },
    Workload { name: "encode/row-json", unit: "row", make: encode::row_json },
    Workload { name: "encode/alert-protobuf", unit: "alert", make: encode::alert_protobuf },
    Workload { name: "encode/alert-json", unit: "alert", make: encode::alert_json },
    Workload { name: "encode/dead-letter", unit: "record", make: encode::dead_letter },
    Workload { name: "encode/partition", unit: "key", make: encode::partition },
    Workload { name: "commit/stage", unit: "entry", make: state::stage },
    Workload { name: "commit/apply", unit: "entry", make: state::apply },
    Workload { name: "restore/apply", unit: "entry", make: state::replay },
    Workload { name: "restore/load", unit: "entry", make: state::load },
];

/// Does the same with each of these things.
struct Each<T> {
    things: Vec<T>,
    act: fn(&T),
}

impl<T> Work for Each<T> {
    fn run(&mut self) -> u64 {
        self.things.iter().for_each(self.act);
        self.things.len() as u64
    }
}

/// Work that does the same with each of these things.
fn each<T: 'static>(things: Vec<T>, act: fn(&T)) -> Box<dyn Work> {
    Box::new(Each { things, act })
}

#[cfg(test)]
mod tests {
    use super::WORKLOADS;

    #[test]
    fn every_workload_works_and_does_as_much_each_time() {
        for workload in WORKLOADS {
            let mut work = (workload.make)();
            let mut counts = (0..3).map(|_| {
                work.arrange();
                work.run()
            });
            let first = counts.next().unwrap();
            assert!(first > 100, "{}: {first}", workload.name);
            assert!(counts.all(|count| count == first), "{}", workload.name);
        }
    }
}
