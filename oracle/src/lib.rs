//! A naive second implementation of the contract of rows and alerts, for tests only.
//!
//! The fast implementation keeps panes, merges them and updates sums in place. This one keeps the trades themselves
//! and recomputes a window from them whenever it is asked for: plain, slow and obviously right. It shares no code and
//! no type with the fast one, so that a fault of one is not silently a fault of both; tests feed both the same log and
//! compare every row, alert and verdict.
//!
//! An [`Oracle`] is one partition. It is a function of the records it is given, in the order of the log, and of the
//! calls of [`Oracle::idle`] and [`Oracle::finish`]; it reads no clock and uses no floating point.
//!
//! What it does for a record, in this order: reject (decoding, future guard, sum limit), move stream time and the
//! watermark, close the windows that are due in order of (window, symbol), count the record or drop it as late, judge
//! breakout, judge high volume.
//!
//! Not part of it: decoding and the limits of single fields (a [`Trade`] is valid already), output modes, `rescale`
//! and `reset` (one oracle sees one partition from its first record on).
//!
//! Where the contract leaves a choice, the place that makes it carries a comment that begins with `Decision:`.
//!
//! Units: prices and averages are `i64` in 1e-9 ("nanos"), sizes and volumes `i128` in 1e-9, notionals `i128` in
//! 1e-18, times `i64` milliseconds since the Unix epoch.

mod alert;
mod market;
mod oracle;
mod record;
mod round;
mod row;
mod settings;
mod window;

pub use alert::{Alert, AlertKind, Signal};
pub use market::{Input, Market};
pub use oracle::{Oracle, run};
pub use record::{Record, Trade, Verdict};
pub use row::{ClosedBy, Row};
pub use settings::Settings;
