//! What `grafana/` asks of the database: boards, variables, annotations and rules, as Grafana would send them.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]
#![allow(dead_code, reason = "each file of tests uses its own part")]

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Files in `grafana/dashboards`.
pub(crate) const BOARDS: [&str; 2] = ["market", "operations"];
/// The data source of SQL.
pub(crate) const POSTGRES: &str = "tape-postgres";

/// What a query's rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Lines of a panel: `time`, texts that tell the lines apart, numbers.
    Series,
    /// A panel's table.
    Table,
    /// Marks in panels.
    Annotations,
    /// Choices of a variable.
    Options,
}

/// A query of a board.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) sql: String,
}

/// A rule over the database.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) uid: String,
    pub(crate) title: String,
    pub(crate) sql: String,
    /// How far the query reaches back, seconds.
    pub(crate) seconds: f64,
    /// It fires for values above this.
    pub(crate) above: f64,
    /// What it says when there is no value.
    pub(crate) no_data: String,
    /// The message.
    pub(crate) summary: String,
    pub(crate) board: String,
    pub(crate) panel: Option<i64>,
    pub(crate) runbook: Option<String>,
}

/// Where the repository has a file.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new("..").join(name)
}

/// A file of the repository.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of the files of a folder, in order.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(folder)).unwrap().map(Result::unwrap);
    let mut names: Vec<_> =
        entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect();
    names.sort();
    names
}

pub(crate) fn board(name: &str) -> Value {
    serde_json::from_str(&text(&format!("grafana/dashboards/{name}.json"))).unwrap()
}

/// The items of a list inside of a value; none when there is no such list.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// A text inside of a value; empty when there is none.
pub(crate) fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Everything that a board asks of the database.
pub(crate) fn queries(board: &Value) -> Vec<Query> {
    let mut found = Vec::new();
    let mut add = |name: &str, shape, sql: &str| {
        found.push(Query { name: name.to_owned(), shape, sql: sql.to_owned() });
    };
    for annotation in list(board, "/annotations/list") {
        if let Some(sql) = annotation.pointer("/target/rawSql").and_then(Value::as_str) {
            add(word(annotation, "/name"), Shape::Annotations, sql);
        }
    }
    for variable in list(board, "/templating/list") {
        if word(variable, "/datasource/uid") == POSTGRES {
            add(word(variable, "/name"), Shape::Options, word(variable, "/query"));
        }
    }
    for panel in list(board, "/panels") {
        for target in list(panel, "/targets") {
            let Some(sql) = target["rawSql"].as_str() else { continue };
            let shape = match word(target, "/format") {
                "time_series" => Shape::Series,
                "table" => Shape::Table,
                other => panic!("{}: format {other}", panel["title"]),
            };
            add(word(panel, "/title"), shape, sql);
        }
    }
    found
}

/// All rules over the database.
pub(crate) fn rules() -> Vec<Rule> {
    text("grafana/provisioning/alerting/rules.yaml").split("\n      - uid: ").skip(1).map(rule).collect()
}

/// A rule from its lines; only what these files use of YAML.
fn rule(text: &str) -> Rule {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(": "));
        value.map(|value| value.trim_matches(['\'', '"']).to_owned())
    };
    let required = |name: &str| field(name).unwrap_or_else(|| panic!("no {name} in:\n{text}"));
    let number = |before: &str, after: char| {
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in:\n{text}"));
        rest.split(after).next().unwrap().parse::<f64>().unwrap()
    };
    Rule {
        uid: text.lines().next().unwrap().to_owned(),
        title: required("title"),
        sql: block(text, "rawSql: |"),
        seconds: number("relativeTimeRange: {from: ", ','),
        above: number("evaluator: {type: gt, params: [", ']'),
        no_data: required("noDataState"),
        summary: required("summary"),
        board: required("dashboardUid"),
        panel: field("panelId").map(|id| id.parse().unwrap()),
        runbook: field("runbook_url"),
    }
}

/// The lines that stand deeper than their heading.
fn block(text: &str, heading: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| line.trim() != heading);
    let outer = depth(lines.next().unwrap_or_else(|| panic!("no {heading} in:\n{text}")));
    lines.take_while(|line| depth(line) > outer).map(str::trim).collect::<Vec<_>>().join("\n")
}

/// What is chosen on a board.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// As Grafana writes times: `2026-01-31T14:30:00Z`.
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) symbols: &'a [&'a str],
    pub(crate) range: &'a str,
    pub(crate) interval: &'a str,
}

impl Scope<'_> {
    /// Puts values in the place of macros and variables, as the server and the page would. Anything else with a dollar is a mistake.
    pub(crate) fn expand(&self, sql: &str) -> String {
        let quoted = |text: &str| format!("'{text}'");
        let symbols = self.symbols.iter().map(|symbol| quoted(symbol)).collect::<Vec<_>>().join(",");
        let mut text = sql
            .replace("$__timeFrom()", &quoted(self.from))
            .replace("$__timeTo()", &quoted(self.to))
            .replace("${symbol:sqlstring}", &symbols)
            .replace("${timerange:sqlstring}", &quoted(self.range))
            .replace("${interval:sqlstring}", &quoted(self.interval));
        while let Some((before, rest)) = text.split_once("$__timeFilter(") {
            let (column, after) = rest.split_once(')').expect("the macro is closed");
            text = format!("{before}{column} BETWEEN '{}' AND '{}'{after}", self.from, self.to);
        }
        assert!(!text.contains('$'), "unknown macro or variable: {text}");
        text
    }
}
