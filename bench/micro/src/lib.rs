//! What each step of tape costs by itself.
//!
//! The workloads stand here once and are measured twice: `benches/micro.rs` takes the time (criterion, `make bench-micro`),
//! `tape-counts` counts the instructions (valgrind, `make bench-counts`). Instructions know no neighbours on the machine: a
//! change of one percent is seen in one run.
//!
//! Every workload is the same on each run: its market follows from a fixed seed.

mod market;
mod workloads;

pub use workloads::{WORKLOADS, Workload};

/// A piece of work that can be done again and again.
pub trait Work {
    /// Brings about the state that a run starts from. Not measured.
    fn arrange(&mut self) {}

    /// Does the work once, and says how many operations that was.
    fn run(&mut self) -> u64;
}

/// The one call that is measured; valgrind knows it by its name.
#[inline(never)]
pub fn measured(work: &mut dyn Work) -> u64 {
    // A call in the last place would become a jump, and the name would be left before the work begins.
    std::hint::black_box(work.run())
}
