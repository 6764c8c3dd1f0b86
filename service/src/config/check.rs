//! The second reading: every text becomes a value of its kind, all mistakes are collected, and what was not given
//! is filled in from defaults, other settings and the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::machine::Machine;
use super::parse::{self, Value};
use super::raw::Raw;
use super::settings::{self, Preset, Setting, Span, WORKERS_MAX};
use super::{Effective, Origin, secret::MASK, shown};

/// The contract's default of the future guard, in ms.
const MAX_FUTURE_MS: u64 = 10_000;

/// A setting's value with where it came from. `value` = `None`: absent.
#[derive(Clone, Debug)]
struct Checked {
    value: Option<Value>,
    text: String,
    origin: Origin,
    via: String,
}

/// The values of all settings that are sound, and what is wrong with the others.
#[derive(Debug)]
pub(crate) struct Values {
    checked: BTreeMap<&'static str, Checked>,
    /// Settings that were given and cannot be used; each has its line in `errors`.
    wrong: BTreeSet<&'static str>,
    pub(crate) errors: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Checks each setting by itself. Rules that join several are judged afterwards.
pub(crate) fn check(raw: Raw, machine: &Machine) -> Values {
    let wrong = raw.broken.into_iter().collect();
    let mut values = Values { checked: BTreeMap::new(), wrong, errors: raw.errors, warnings: raw.warnings };
    for setting in settings::all() {
        if values.wrong.contains(setting.name) {
            continue;
        }
        match (raw.given.get(setting.name), setting.default) {
            (Some(given), _) => match parse::value(setting.kind, &given.text) {
                Ok(value) => {
                    let (origin, via) = (given.origin, given.via.clone());
                    values
                        .put(setting, Checked { value: Some(value), text: given.text.clone(), origin, via });
                }
                Err(problem) => {
                    values.wrong.insert(setting.name);
                    let text = if setting.secret { MASK.to_owned() } else { shown(&given.text) };
                    values.errors.push(format!(
                        "{}={text} ({}): {problem}. Allowed: {}. {}",
                        given.via,
                        given.place,
                        setting.kind,
                        remedy(setting)
                    ));
                }
            },
            (None, Preset::Is(text)) => {
                let value = parse::value(setting.kind, text).ok();
                values.put(setting, Checked::of(value, text.to_owned(), Origin::Default));
            }
            (None, Preset::Absent) => values.put(setting, Checked::of(None, String::new(), Origin::Default)),
            (None, Preset::Derived(_)) => {}
        }
    }
    values.derive(machine);
    values
}

impl Checked {
    fn of(value: Option<Value>, text: String, origin: Origin) -> Self {
        Self { value, text, origin, via: String::new() }
    }
}

fn remedy(setting: &Setting) -> String {
    match setting.default {
        Preset::Is(text) => format!("Correct it, or remove it for the default {text}"),
        Preset::Absent => "Correct it or remove it".to_owned(),
        Preset::Derived(_) => "Correct it, or remove it for the default".to_owned(),
    }
}

impl Values {
    fn put(&mut self, setting: &'static Setting, checked: Checked) {
        self.checked.insert(setting.name, checked);
    }

    /// Fills in what follows from other settings or the machine, where those are sound.
    fn derive(&mut self, machine: &Machine) {
        let app_id = self.text("APP_ID").map(str::to_owned);
        let named = |suffix: &str| app_id.as_ref().map(|app_id| Value::Text(format!("{app_id}{suffix}")));
        let max_future = self.ms("WATERMARK_DELAY").map(|delay| Value::Ms(delay.min(MAX_FUTURE_MS)));
        let workers = self
            .whole("KAFKA_PARTITIONS")
            .map(|partitions| Value::Whole(workers(machine.cores as u64, partitions).clamp(1, WORKERS_MAX)));
        let state_dir = machine.state_dir.to_str().map(|path| Value::Text(path.to_owned()));
        let derived = [
            ("MAX_FUTURE", max_future),
            ("WORKERS", workers),
            ("STATE_DIR", state_dir),
            ("KAFKA_TOPIC_CHANGELOG", named("-changelog")),
            ("KAFKA_TOPIC_SINK_DEAD_LETTERS", named("-sink-dlq")),
            ("INSTANCE_ID", None),
        ];
        for (name, value) in derived {
            if self.checked.contains_key(name) || self.wrong.contains(name) {
                continue;
            }
            let text = match &value {
                Some(Value::Ms(ms)) => Span(*ms).to_string(),
                Some(Value::Whole(number)) => number.to_string(),
                Some(Value::Text(text)) => text.clone(),
                _ => String::new(),
            };
            self.checked.insert(name, Checked::of(value, text, Origin::Derived));
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.checked.get(name)?.value.as_ref()
    }

    /// Milliseconds of a sound duration.
    pub(crate) fn ms(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Ms(ms) => Some(*ms),
            _ => None,
        }
    }

    /// A sound whole number.
    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// A sound decimal in 1e-9.
    pub(crate) fn nanos(&self, name: &str) -> Option<i128> {
        match self.value(name)? {
            Value::Nanos(nanos) => Some(*nanos),
            _ => None,
        }
    }

    /// A sound word or text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Word(word) => Some(word),
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A sound path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A sound address; the inner `None` = off.
    pub(crate) fn bind(&self, name: &str) -> Option<Option<std::net::SocketAddr>> {
        match self.value(name)? {
            Value::Bind(address) => Some(*address),
            _ => None,
        }
    }

    /// Entries of a sound list.
    pub(crate) fn list(&self, name: &str) -> Option<&[String]> {
        match self.value(name)? {
            Value::List(entries) => Some(entries),
            _ => None,
        }
    }

    /// True when somebody gave it (and it is sound).
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.checked.get(name).is_some_and(|checked| checked.origin.is_given())
    }

    /// True when somebody gave it and it cannot be used.
    pub(crate) fn is_wrong(&self, name: &str) -> bool {
        self.wrong.contains(name)
    }

    /// `NAME="value"` for messages; never the value of a secret.
    pub(crate) fn quote(&self, name: &str) -> String {
        let secret = settings::find(name).is_some_and(|setting| setting.secret);
        match self.checked.get(name) {
            Some(checked) if !secret => format!("{name}={}", shown(&checked.text)),
            _ => name.to_owned(),
        }
    }

    /// Every setting in the order of the table, secrets masked.
    pub(crate) fn effective(&self) -> Vec<Effective> {
        let effective = |setting: &'static Setting| {
            let checked = self.checked.get(setting.name)?;
            let value = match &checked.value {
                Some(_) if setting.secret => MASK.to_owned(),
                Some(_) => checked.text.clone(),
                None => String::new(),
            };
            let via = Some(checked.via.clone()).filter(|via| !via.is_empty() && via != setting.name);
            Some(Effective { name: setting.name, value, source: checked.origin, via })
        };
        settings::all().filter_map(effective).collect()
    }
}

/// One a core; but one a partition while there are fewer than two a core: of three partitions on two cores two workers would own
/// two and one, and a core would be idle for the second half of a backlog.
fn workers(cores: u64, partitions: u64) -> u64 {
    if partitions < 2 * cores { partitions } else { cores }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_worker_a_core_or_a_partition() {
        for (cores, partitions, expected) in
            [(1, 1, 1), (1, 3, 1), (2, 3, 3), (2, 4, 2), (8, 3, 3), (4, 6, 6), (4, 12, 4), (5, 12, 5)]
        {
            let workers = super::workers(cores, partitions);
            assert_eq!(workers, expected, "{cores} cores, {partitions} partitions");
        }
    }
}
