//! The TOML file: a flat table of our names, in lower or upper case. Values are text, numbers, booleans, or (for
//! lists) arrays of text; numbers are taken as they are written, never through floating point.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::escaped;
use super::raw::Entry;
use super::settings::{self, Kind};

/// What a file says, and what is wrong with it.
pub(crate) struct Contents {
    /// Names in upper case.
    pub(crate) entries: Vec<Entry>,
    /// One line a mistake.
    pub(crate) errors: Vec<String>,
    /// False: the text is not TOML, so that nothing is known of what it meant to set.
    pub(crate) readable: bool,
}

/// Takes the file apart. Values never appear in errors: a misspelt name may hide a password.
pub(crate) fn read(text: &str) -> Contents {
    let (table, problems) = DeTable::parse_recoverable(text);
    let lines = Lines::of(text);
    if !problems.is_empty() {
        let errors = syntax(&problems, &lines);
        return Contents { entries: Vec::new(), errors, readable: false };
    }
    let mut errors = Vec::new();
    let mut by_name: BTreeMap<String, Entry> = BTreeMap::new();
    for (key, value) in table.into_inner() {
        let name = key.get_ref().to_ascii_uppercase();
        let place = format!("file, line {}", lines.number(key.span().start));
        let text = match text_of(&name, value.get_ref()) {
            Ok(text) => text,
            Err(problem) => {
                errors.push(format!("{} ({place}): {problem}", escaped(&name)));
                continue;
            }
        };
        if let Some(first) = by_name.get(&name) {
            errors.push(format!(
                "{} ({place}): stands in the {} already, in other letters: remove one of them",
                escaped(&name),
                first.place
            ));
            continue;
        }
        by_name.insert(name.clone(), Entry { name, text, place });
    }
    Contents { entries: by_name.into_values().collect(), errors, readable: true }
}

/// One line for each line of the file that is not TOML: the parser's later complaints about it are echoes.
fn syntax(problems: &[toml::de::Error], lines: &Lines) -> Vec<String> {
    let mut by_line = BTreeMap::new();
    for problem in problems {
        let line = problem.span().map(|span| lines.number(span.start));
        by_line.entry(line).or_insert_with(|| problem.message());
    }
    let describe = |(line, message): (Option<usize>, &str)| {
        let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
        format!("configuration file{place}: not TOML ({message}): correct it")
    };
    by_line.into_iter().map(describe).collect()
}

fn text_of(name: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::Array(entries) if is_list(name) => {
            let texts: Result<Vec<_>, _> = entries.iter().map(|entry| scalar(entry.get_ref())).collect();
            Ok(texts?.join(","))
        }
        other => scalar(other),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Array(_) => Err("an array does not fit here: write one value".to_owned()),
        DeValue::Table(_) => {
            Err("a table does not fit here: write all settings as NAME = value, without [headings]"
                .to_owned())
        }
        DeValue::Datetime(_) => Err("a date does not fit here: write the value in quotes".to_owned()),
    }
}

fn is_list(name: &str) -> bool {
    settings::find(name)
        .is_some_and(|setting| matches!(setting.kind, Kind::Symbols | Kind::Channels | Kind::Servers))
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// Number, from 1, of the line that holds byte `at`.
    fn number(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }
}
