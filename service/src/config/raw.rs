//! The first reading: which text was given for which setting, and by whom. Values are not looked into.
//!
//! 1. The environment is one layer, the file another; **what the environment says wins as a whole**: a name, its
//!    alias and its `_FILE` form are one setting.
//! 2. Within a layer a setting may be given once; twice with the same text is forgiven, twice with different ones
//!    is a conflict.
//! 3. An empty text is "not given" (compose files write `${NAME:-}`), except where empty means none.
//! 4. White space around a text is dropped, except of secrets.
//! 5. Names that nobody knows are judged in `names.rs`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use super::file;
use super::names;
use super::settings::{self, Kind, Setting};
use super::{Origin, escaped, shown};

/// Longest secret file in bytes: a private key fits.
const SECRET_FILE_MAX: u64 = 64 * 1024;

/// A name with its text, as found.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As in the environment; upper case when from the file.
    pub(crate) name: String,
    /// Unchecked.
    pub(crate) text: String,
    /// `environment` or `file, line 7`.
    pub(crate) place: String,
}

/// The text that counts for a setting.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Unchecked, never empty unless empty means none.
    pub(crate) text: String,
    /// Which layer.
    pub(crate) origin: Origin,
    /// The name that was used: the setting's, its alias, or its `_FILE` form.
    pub(crate) via: String,
    /// For messages.
    pub(crate) place: String,
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// By the setting's name.
    pub(crate) given: BTreeMap<&'static str, Given>,
    /// Settings of which something was given that cannot be used; it stands in `errors`.
    pub(crate) broken: Vec<&'static str>,
    /// False: the file could not be taken apart, so rules that join settings must not be judged.
    pub(crate) whole: bool,
    pub(crate) errors: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Collects both layers. `toml` is the file's text, or the line that says why it cannot be read.
pub(crate) fn collect(environment: Vec<(String, String)>, toml: Option<Result<&str, String>>) -> Raw {
    let mut raw = Raw { whole: true, ..Raw::default() };
    let place = || "environment".to_owned();
    let entries: Vec<Entry> =
        environment.into_iter().map(|(name, text)| Entry { name, text, place: place() }).collect();
    for entry in &entries {
        raw.judge_environment_name(entry);
    }
    raw.take_layer(&entries, Origin::Environment);
    match toml {
        None => {}
        Some(Err(problem)) => {
            raw.whole = false;
            raw.errors.push(problem);
        }
        Some(Ok(text)) => {
            let contents = file::read(text);
            raw.whole = contents.readable;
            raw.errors.extend(contents.errors);
            for entry in &contents.entries {
                raw.judge_file_name(entry);
            }
            raw.take_layer(&contents.entries, Origin::File);
        }
    }
    raw
}

impl Raw {
    fn judge_environment_name(&mut self, entry: &Entry) {
        let name = entry.name.as_str();
        if names::is_known(name) || name == names::CONFIG_FILE || self.is_retired(entry) {
            return;
        }
        let name_shown = escaped(name);
        if name.starts_with(names::OURS) {
            let hint =
                names::meant_in_file(name).map(|meant| format!("did you mean {meant}? ")).unwrap_or_default();
            self.errors.push(format!(
                "{name_shown} (environment): not a setting: {hint}Of the names that begin with {} only {} is known; \
                 remove it",
                names::OURS,
                names::CONFIG_FILE
            ));
        } else if let Some(setting) = names::open_with_file_suffix(name) {
            self.warnings.push(format!(
                "{name_shown} (environment) is ignored: only secrets are read from files; set {}",
                setting.name
            ));
        } else if let Some(meant) = names::meant_in_environment(name) {
            self.warnings.push(format!("{name_shown} (environment) is ignored: did you mean {meant}?"));
        }
    }

    fn judge_file_name(&mut self, entry: &Entry) {
        if names::is_known(&entry.name) || self.is_retired(entry) {
            return;
        }
        let remedy = match names::meant_in_file(&entry.name) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "remove it (`tape config` lists all settings)".to_owned(),
        };
        self.errors.push(format!("{} ({}): not a setting: {remedy}", escaped(&entry.name), entry.place));
    }

    fn is_retired(&mut self, entry: &Entry) -> bool {
        let found = names::RETIRED.iter().find(|(name, _)| *name == entry.name);
        if let Some((name, instead)) = found {
            self.warnings
                .push(format!("{name} ({}) is ignored: tape runs without Spark; {instead}", entry.place));
        }
        found.is_some()
    }

    fn take_layer(&mut self, entries: &[Entry], origin: Origin) {
        for setting in settings::all() {
            if self.given.contains_key(setting.name) || self.broken.contains(&setting.name) {
                continue;
            }
            let candidates: Vec<&Entry> =
                entries.iter().filter(|entry| names_setting(entry, setting)).collect();
            if candidates.is_empty() {
                continue;
            }
            match choose(setting, &candidates) {
                Ok((text, entry)) => {
                    let (via, place) = (entry.name.clone(), entry.place.clone());
                    self.given.insert(setting.name, Given { text, origin, via, place });
                }
                Err(problem) => {
                    self.errors.push(problem);
                    self.broken.push(setting.name);
                }
            }
        }
    }
}

/// Does this entry say something about this setting?
fn names_setting(entry: &Entry, setting: &'static Setting) -> bool {
    let named = entry.name == setting.name
        || setting.alias == Some(entry.name.as_str())
        || names::secret_of_file(&entry.name).is_some_and(|secret| secret.name == setting.name);
    let empty_counts = matches!(setting.kind, Kind::Topic { optional: true });
    named && (empty_counts || !entry.text.is_empty())
}

/// The one text of a setting in a layer, and the entry it came from.
fn choose<'a>(setting: &'static Setting, candidates: &[&'a Entry]) -> Result<(String, &'a Entry), String> {
    let first = candidates[0];
    if let Some(other) = candidates[1..].iter().find(|other| differ(setting, first, other)) {
        let show = |entry: &Entry| match setting.secret {
            true => entry.name.clone(),
            false => format!("{}={}", entry.name, shown(&entry.text)),
        };
        return Err(format!(
            "{} and {} ({}) are both set: keep only one of them, best {}",
            show(first),
            show(other),
            first.place,
            setting.name
        ));
    }
    let text = if is_file(first) { read_secret(first)? } else { trimmed(setting, &first.text) };
    Ok((text, first))
}

fn is_file(entry: &Entry) -> bool {
    names::secret_of_file(&entry.name).is_some()
}

fn differ(setting: &Setting, left: &Entry, right: &Entry) -> bool {
    is_file(left) != is_file(right) || trimmed(setting, &left.text) != trimmed(setting, &right.text)
}

fn trimmed(setting: &Setting, text: &str) -> String {
    if setting.secret { text.to_owned() } else { text.trim().to_owned() }
}

/// The text of a secret's file without its last line break.
fn read_secret(entry: &Entry) -> Result<String, String> {
    let refuse =
        |problem: String| format!("{}={} ({}): {problem}", entry.name, shown(&entry.text), entry.place);
    let mut bytes = Vec::new();
    File::open(entry.text.trim())
        .and_then(|file| file.take(SECRET_FILE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            refuse(format!("cannot read the file ({error}): correct the path or its permissions"))
        })?;
    if bytes.len() as u64 > SECRET_FILE_MAX {
        return Err(refuse(format!(
            "the file is longer than {SECRET_FILE_MAX} bytes: name the file of the secret"
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| refuse("the file is not valid UTF-8: write the secret as plain text".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(refuse("the file is empty: write the secret into it".to_owned()));
    }
    Ok(text.to_owned())
}
