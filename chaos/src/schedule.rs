//! The schedule: which fault hits whom, when, and for how long. It follows from the seed and nothing else.
//!
//! Each processor, each sink, the broker and the database has a lane of its own, so faults of one lane never overlap and
//! those of different lanes may. Kinds are drawn from a shuffled bag a class: a short run sees most kinds once before it sees
//! one twice.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use tape_harness::Dice;

/// The system is left alone for so long at the start.
const WARM_UP_MS: u64 = 8_000;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum Kind {
    /// SIGKILL of a processor, which is back before its session ends
    ProcessorKill,
    /// SIGKILL of a processor, which stays away for longer than its session
    ProcessorKillLong,
    /// SIGTERM of a processor, which is back before its session ends
    ProcessorTerm,
    /// SIGTERM of a processor, which stays away for longer than its session
    ProcessorTermLong,
    /// SIGSTOP of a processor for longer than session and transaction time-out, then SIGCONT: a zombie
    ProcessorFreeze,
    /// The network between a processor and the broker swallows everything
    ProcessorCut,
    /// The connections of a processor to the broker are reset, new ones refused
    ProcessorReset,
    /// Each packet between a processor and the broker takes longer
    ProcessorDelay,
    /// The disk of a processor's state is full
    FullDisk,
    /// A table of a stopped processor's store is damaged
    CorruptSst,
    /// The state folder of a stopped processor is deleted
    DeletedState,
    /// SIGKILL of a sink, which is back before its session ends
    SinkKill,
    /// SIGKILL of a sink, which stays away for longer than its session
    SinkKillLong,
    /// SIGTERM of a sink
    SinkTerm,
    /// SIGSTOP of a sink for longer than its session, then SIGCONT
    SinkFreeze,
    /// The network between a sink and the broker swallows everything
    SinkCut,
    /// The network between a sink and the database swallows everything
    SinkDatabaseCut,
    /// The connections of a sink to the database are reset, new ones refused
    SinkDatabaseReset,
    /// SIGTERM of the broker
    BrokerTerm,
    /// SIGKILL of the broker
    BrokerKill,
    /// The broker is away for longer than the producers' message time-out
    BrokerAway,
    /// The network between all processes and the broker swallows everything
    NetworkCut,
    /// Each packet between any process and the broker takes longer
    NetworkDelay,
    /// PostgreSQL stops in order and comes back
    DatabaseRestart,
    /// PostgreSQL is killed with SIGKILL
    DatabaseKill,
}

/// Who is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    Processor(usize),
    Sink(usize),
    Broker,
    Database,
}

/// One entry of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) number: usize,
    pub(crate) at: Duration,
    pub(crate) kind: Kind,
    pub(crate) target: Target,
    /// How long it stays, before what was taken away is given back.
    pub(crate) lasts: Duration,
    /// Decides what the fault has to choose: which file, how many milliseconds.
    pub(crate) luck: u64,
}

/// What a schedule is drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) processors: usize,
    pub(crate) sinks: usize,
    pub(crate) kinds: Vec<Kind>,
    /// Pauses between faults of a lane, in percent of the usual.
    pub(crate) pace: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Processor,
    Sink,
    Broker,
    Database,
}

impl Kind {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn class(self) -> Class {
        use Kind::{
            BrokerAway, BrokerKill, BrokerTerm, DatabaseKill, DatabaseRestart, NetworkCut, NetworkDelay,
            SinkCut, SinkDatabaseCut, SinkDatabaseReset, SinkFreeze, SinkKill, SinkKillLong, SinkTerm,
        };
        match self {
            SinkKill | SinkKillLong | SinkTerm | SinkFreeze | SinkCut | SinkDatabaseCut
            | SinkDatabaseReset => Class::Sink,
            BrokerTerm | BrokerKill | BrokerAway | NetworkCut | NetworkDelay => Class::Broker,
            DatabaseRestart | DatabaseKill => Class::Database,
            _ => Class::Processor,
        }
    }

    /// Shortest and longest stay, ms. The time-outs of sessions and of transactions (and of the messages in them) are 6 s.
    fn stay(self) -> (u64, u64) {
        match self {
            Kind::ProcessorKillLong | Kind::ProcessorTermLong | Kind::SinkKillLong => (8_000, 12_000),
            Kind::ProcessorFreeze | Kind::SinkFreeze => (12_000, 16_000),
            Kind::ProcessorCut | Kind::SinkCut | Kind::SinkDatabaseCut | Kind::NetworkCut => (3_000, 14_000),
            Kind::ProcessorReset | Kind::SinkDatabaseReset => (500, 6_000),
            Kind::ProcessorDelay | Kind::NetworkDelay | Kind::FullDisk => (4_000, 10_000),
            Kind::BrokerAway => (13_000, 17_000),
            Kind::DatabaseRestart | Kind::DatabaseKill => (0, 5_000),
            _ => (0, 2_000),
        }
    }
}

impl Class {
    /// Shortest and longest pause after a fault of the lane, ms. A broker needs some ten seconds to be back after a SIGKILL.
    fn pause(self) -> (u64, u64) {
        match self {
            Class::Processor => (8_000, 26_000),
            Class::Sink => (12_000, 32_000),
            Class::Broker => (30_000, 70_000),
            Class::Database => (25_000, 50_000),
        }
    }
}

impl Target {
    fn class(self) -> Class {
        match self {
            Target::Processor(_) => Class::Processor,
            Target::Sink(_) => Class::Sink,
            Target::Broker => Class::Broker,
            Target::Database => Class::Database,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Processor(number) => write!(f, "processor-{number}"),
            Target::Sink(number) => write!(f, "sink-{number}"),
            Target::Broker => f.write_str("broker"),
            Target::Database => f.write_str("database"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, target) = (self.kind.name(), self.target.to_string());
        write!(f, "#{:<3} {name:<20} {target:<12} for {:.1} s", self.number, self.lasts.as_secs_f64())
    }
}

/// Kinds of one class in a shuffled order, again and again.
struct Bag {
    kinds: Vec<Kind>,
    left: Vec<Kind>,
}

impl Bag {
    fn draw(&mut self, dice: &mut Dice) -> Option<Kind> {
        if self.left.is_empty() {
            self.left.clone_from(&self.kinds);
            dice.shuffle(&mut self.left);
        }
        self.left.pop()
    }
}

/// Draws the schedule, in order of time.
pub(crate) fn draw(plan: &Plan) -> Vec<Fault> {
    let mut dice = Dice::new(plan.seed);
    let targets = (0..plan.processors)
        .map(Target::Processor)
        .chain((0..plan.sinks).map(Target::Sink))
        .chain([Target::Broker, Target::Database]);
    let pause = |dice: &mut Dice, class: Class| {
        let (low, high) = class.pause();
        dice.between(low, high) * plan.pace / 100
    };
    // Next free moment of each lane.
    let mut lanes: Vec<(u64, Target)> = targets
        .map(|target| {
            let (_, high) = target.class().pause();
            (WARM_UP_MS + dice.below(high * plan.pace / 200), target)
        })
        .collect();
    let mut bags: Vec<(Class, Bag)> = [Class::Processor, Class::Sink, Class::Broker, Class::Database]
        .into_iter()
        .map(|class| {
            let kinds = plan.kinds.iter().copied().filter(|kind| kind.class() == class).collect();
            (class, Bag { kinds, left: Vec::new() })
        })
        .collect();
    let end = u64::try_from(plan.length.as_millis()).unwrap_or(u64::MAX);
    let mut faults = Vec::new();
    while let Some((at, target)) = lanes.iter_mut().min() {
        if *at >= end {
            break;
        }
        let class = target.class();
        let bag = bags.iter_mut().find(|(found, _)| *found == class).map(|(_, bag)| bag);
        let Some(kind) = bag.and_then(|bag| bag.draw(&mut dice)) else {
            *at = u64::MAX;
            continue;
        };
        let (low, high) = kind.stay();
        let stay = dice.between(low, high);
        let (lasts, number) = (Duration::from_millis(stay), faults.len());
        let luck = dice.next();
        faults.push(Fault { number, at: Duration::from_millis(*at), kind, target: *target, lasts, luck });
        *at += stay + pause(&mut dice, class);
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use clap::ValueEnum;

    use super::{Kind, Plan, draw};

    fn plan(seed: u64, minutes: u64) -> Plan {
        let length = Duration::from_secs(60 * minutes);
        Plan { seed, length, processors: 3, sinks: 2, kinds: Kind::value_variants().to_vec(), pace: 100 }
    }

    #[test]
    fn a_seed_always_gives_the_same_schedule() {
        assert_eq!(draw(&plan(1, 5)), draw(&plan(1, 5)));
        assert_ne!(draw(&plan(1, 5)), draw(&plan(2, 5)));
    }

    #[test]
    fn half_an_hour_holds_hundreds_of_faults_of_every_kind() {
        for seed in 0..50 {
            let faults = draw(&plan(seed, 30));
            assert!(faults.len() >= 200, "seed {seed}: {}", faults.len());
            let kinds: BTreeSet<_> = faults.iter().map(|fault| fault.kind).collect();
            assert_eq!(kinds.len(), Kind::value_variants().len());
            let short = draw(&plan(seed, 2));
            assert!(short.len() >= 12, "seed {seed}: {}", short.len());
        }
    }

    #[test]
    fn faults_of_one_lane_do_not_overlap() {
        let mut ends = BTreeMap::new();
        for fault in draw(&plan(7, 30)) {
            let end = ends.insert(fault.target, fault.at + fault.lasts);
            assert!(end.is_none_or(|end| end < fault.at));
        }
    }

    #[test]
    fn kinds_that_are_left_out_do_not_come() {
        let kinds = vec![Kind::ProcessorKill, Kind::DatabaseKill];
        let faults = draw(&Plan { kinds: kinds.clone(), ..plan(3, 10) });
        assert!(!faults.is_empty() && faults.iter().all(|fault| kinds.contains(&fault.kind)));
    }
}
