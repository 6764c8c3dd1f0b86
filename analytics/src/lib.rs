//! The stream logic of tape, pure: trades in, windows and alerts out.
//!
//! A [`Task`] is the state of one partition. [`Task::step`] takes one record of the log, [`Task::idle`] the proof that the
//! log is quiet, [`Task::finish`] its end. Each appends what has to be emitted to [`Effects`], in the order in which it
//! must leave. [`Task::drain_changes`] lists what changed in the state since it was last asked, and [`Restore`] builds a
//! task from such changes, so a task cut anywhere and restored goes on as if it had never stopped.
//!
//! Words: a *pane* is a slice of `slide` ms, a *window* the merge of `K = window / slide` panes, *stream time* the largest
//! event time accepted so far, the *watermark* stream time less the delay that late records are granted.
//!
//! Invariant: no I/O, no clock, no randomness, no floating point: the same records give the same effects.
//! Invariant: nothing is stored per window; one record touches one pane.
//! Invariant: no iteration order of a hash table reaches an effect.
//!
//! Units: prices and averages are `i64` in 1e-9, sizes and sums `i128` in 1e-9, notional `i128` in 1e-18, times `i64`
//! milliseconds since the Unix epoch.

mod alert;
mod clock;
mod close;
mod pane;
mod rounding;
mod row;
mod settings;
mod state;
mod symbol;
mod task;
mod trade;
mod view;

pub use alert::{Alert, AlertKind, AlertState, LastBreakout, Signal};
pub use pane::{Pane, Print};
pub use row::{Bar, ClosedBy, Row};
pub use settings::{AlertSettings, Settings, SettingsError};
pub use state::{Change, ClosedWindow, Restore, SymbolFacts, TaskMeta};
pub use task::{Effects, GENERATION_MAX, Outcome, Reject, Task, generation_of};
pub use trade::{Record, Trade};
pub use view::Scope;
