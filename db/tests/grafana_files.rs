//! The files of `grafana/` among themselves, without any server: what a board names exists, every panel explains itself, messages
//! are those that were promised, every alert has its page and its tests.

#![allow(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

mod boards;

use std::collections::BTreeSet;

use boards::{BOARDS, POSTGRES, board, files, list, path, rules, text, word};
use serde_json::{Value, json};

/// What follows a word in a text, up to the end of each line.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix(word)).collect()
}

/// Fails when something stands twice.
fn unique<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for name in names {
        assert!(!name.is_empty() && found.insert(name), "{what}: {name:?} is empty or stands twice");
    }
    found
}

fn source_uids(text: &str) -> BTreeSet<&str> {
    unique("uids of data sources", after(text, "uid: "))
}

/// Panels that show something.
fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    list(board, "/panels").filter(|panel| panel["type"] != "row")
}

#[test]
fn every_panel_explains_itself() {
    let sources = text("grafana/provisioning/datasources/tape.yaml");
    let sources = source_uids(&sources);
    let boards = BOARDS.map(board);
    unique("uids of boards", boards.iter().map(|board| word(board, "/uid")));
    for board in &boards {
        let name = word(board, "/uid");
        assert_eq!((&board["id"], &board["schemaVersion"]), (&Value::Null, &json!(41)), "{name}");
        // A variable whose choices are data sources stands for the one that is chosen at first.
        let known = |uid: &str| sources.contains(uid) || uid == "${datasource}" && has_source_variable(board);
        unique(name, panels(board).map(|panel| word(panel, "/title")));
        let ids: BTreeSet<_> = list(board, "/panels").map(|panel| panel["id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), list(board, "/panels").count(), "{name}: ids stand twice");
        for panel in panels(board) {
            let title = word(panel, "/title");
            for needed in ["/title", "/description", "/fieldConfig/defaults/unit", "/datasource/uid"] {
                assert!(!word(panel, needed).is_empty(), "{name}, {title}: no {needed}");
            }
            assert!(known(word(panel, "/datasource/uid")), "{name}, {title}: unknown data source");
            assert!(list(panel, "/targets").count() > 0, "{name}, {title}: asks nothing");
            for target in list(panel, "/targets") {
                assert_eq!(target["datasource"], panel["datasource"], "{name}, {title}");
            }
            let (x, w) = (&panel["gridPos"]["x"], &panel["gridPos"]["w"]);
            assert!(x.as_i64().unwrap() + w.as_i64().unwrap() <= 24, "{name}, {title}: beyond the edge");
        }
    }
}

fn has_source_variable(board: &Value) -> bool {
    let text = text("grafana/provisioning/datasources/tape.yaml");
    list(board, "/templating/list").any(|variable| {
        variable["name"] == "datasource" && source_uids(&text).contains(word(variable, "/current/value"))
    })
}

#[test]
fn the_market_board_has_what_was_promised() {
    let board = board("market");
    assert_eq!(board["refresh"], "10s");
    let variables: Vec<_> = list(&board, "/templating/list").collect();
    let names: Vec<_> = variables.iter().map(|variable| word(variable, "/name")).collect();
    assert_eq!(names, ["symbol", "timerange", "interval"]);
    assert_eq!(variables[0]["multi"], true);
    assert_eq!(
        (word(variables[1], "/query"), word(variables[2], "/query")),
        ("1h,6h,24h,7d", "1m,5m,15m,1h")
    );
    let mut shown: Vec<_> =
        panels(&board).map(|panel| (word(panel, "/title"), word(panel, "/type"))).collect();
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            ("Breakout alerts", "table"),
            ("Current trend", "stat"),
            ("Live stock prices", "timeseries"),
            ("Price vs MA", "timeseries"),
            ("Trading volume", "timeseries"),
        ]
    );
    let table = panels(&board).find(|panel| word(panel, "/title") == "Breakout alerts").unwrap();
    assert!(word(table, "/targets/0/rawSql").ends_with("\nLIMIT 50"));
    let told: Vec<_> = list(&board, "/annotations/list").map(|one| word(one, "/target/rawSql")).collect();
    for kind in ["golden_cross", "death_cross", "breakout", "high_volume"] {
        let condition = format!("a.type = '{kind}'");
        assert!(told.iter().any(|sql| sql.contains(&condition)), "no annotation for {kind}");
    }
}

#[test]
fn rules_say_what_was_promised() {
    let rules = rules();
    unique("uids of rules", rules.iter().map(|rule| rule.uid.as_str()));
    let message = |uid: &str| {
        let rule = rules.iter().find(|rule| rule.uid == uid).unwrap();
        // Templates of Grafana in the words of the requirement.
        let text =
            rule.summary.replace("{{ .Labels.symbol }}", "{symbol}").replace("{{ .Values.B }}", "{value}");
        text.replace("{{ \"\\x24\" }}", "$")
    };
    assert_eq!(message("tape-golden-cross"), "🚀 {symbol}: Price crossed above MA at ${value}");
    assert_eq!(message("tape-death-cross"), "📉 {symbol}: Price crossed below MA at ${value}");
    assert_eq!(message("tape-high-volume"), "⚡ {symbol}: Unusual volume detected: {value}");
    let boards = BOARDS.map(board);
    for rule in &rules {
        let board = boards.iter().find(|board| word(board, "/uid") == rule.board);
        let board = board.unwrap_or_else(|| panic!("{}: no board {}", rule.uid, rule.board));
        let is_there = |id: i64| list(board, "/panels").any(|panel| panel["id"] == id);
        assert!(rule.panel.is_none_or(is_there), "{}: no panel {:?}", rule.uid, rule.panel);
        assert!(rule.runbook.as_ref().is_none_or(|page| path(page).is_file()), "{}: no page", rule.uid);
        assert!(!rule.title.is_empty() && rule.seconds > 0.0 && rule.above >= 0.0);
    }
    let text = text("grafana/provisioning/alerting/rules.yaml");
    let sources: BTreeSet<_> = after(&text, "datasourceUid: ").into_iter().collect();
    assert_eq!(sources, BTreeSet::from(["__expr__", POSTGRES]));
    // Crosses every 30 s, volume every minute; each is looked for over at least three evaluations.
    let intervals = after(&text, "interval: ");
    assert_eq!(intervals, ["30s", "1m", "1m"]);
    for (uid, every) in [("tape-golden-cross", 30.0), ("tape-death-cross", 30.0), ("tape-high-volume", 60.0)]
    {
        let rule = rules.iter().find(|rule| rule.uid == uid).unwrap();
        assert!(rule.seconds >= 3.0 * every, "{uid}");
    }
}

#[test]
fn everybody_who_is_told_has_an_address_from_the_environment() {
    let contacts = text("grafana/provisioning/alerting/contact-points.yaml");
    let known = unique("contact points", after(&contacts, "name: "));
    let policies = text("grafana/provisioning/alerting/policies.yaml");
    for receiver in after(&policies, "receiver: ") {
        assert!(known.contains(receiver), "{receiver}");
    }
    let kinds: BTreeSet<_> = after(&contacts, "type: ").into_iter().collect();
    assert_eq!(kinds, BTreeSet::from(["email", "slack"]));

    let example = text("grafana/env.example");
    let set: BTreeSet<_> = example.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    for name in
        ["GF_SMTP_HOST", "GF_SMTP_USER", "GF_SMTP_PASSWORD", "GF_SMTP_FROM_ADDRESS", "GF_SMTP_FROM_NAME"]
    {
        assert!(set.contains(name), "{name}");
    }
    for folder in ["alerting", "datasources", "dashboards"] {
        for file in files(&format!("grafana/provisioning/{folder}")) {
            let text = text(&file);
            let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
            for name in
                lines.flat_map(|line| line.split("${").skip(1)).filter_map(|rest| rest.split('}').next())
            {
                assert!(set.contains(name), "{file}: {name} is not in grafana/env.example");
            }
        }
    }
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_is_and_where_to_look() {
    let text = text("prometheus/rules/alerts.yaml");
    let boards: BTreeSet<_> = BOARDS.map(|name| format!("/d/tape-{name}")).into();
    for alert in text.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        let one = |word: &str| match after(alert, word)[..] {
            [value] => value.trim_matches('\'').to_owned(),
            ref other => panic!("{name}: {} times {word}", other.len()),
        };
        assert!(["warning", "critical"].contains(&one("severity: ").as_str()), "{name}: severity");
        assert!(!one("summary: ").is_empty() && one("description: ").ends_with('.'), "{name}: texts");
        assert!(boards.contains(&one("dashboard_url: ")), "{name}: no such board");
        assert!(name.starts_with("Tape"), "{name}");
    }
}

#[test]
fn every_alert_has_a_page_and_tests_and_every_page_an_alert() {
    let text_of_alerts = text("prometheus/rules/alerts.yaml");
    let alerts: BTreeSet<_> = after(&text_of_alerts, "alert: ").into_iter().collect();
    let tests: String = files("prometheus/rules/tests").iter().map(|file| text(file)).collect();
    let tested: BTreeSet<_> = after(&tests, "name: ").into_iter().collect();
    for alert in &alerts {
        for case in ["fires", "does not fire"] {
            assert!(tested.contains(format!("{alert} {case}").as_str()), "{alert}: no test that it {case}");
        }
    }
    // A page names its alert in a line of its own.
    let mut pages = BTreeSet::new();
    for page in files("docs/runbooks") {
        let text = text(&page);
        let named =
            after(&text, "Alert: `").first().and_then(|rest| rest.split('`').next()).map(str::to_owned);
        let named = named.unwrap_or_else(|| panic!("{page} names no alert"));
        assert!(
            alerts.contains(named.as_str()) || rules().iter().any(|rule| rule.title == named),
            "{page}: {named}"
        );
        pages.insert((named, page));
    }
    let mut linked: BTreeSet<(String, String)> = text_of_alerts
        .split("- alert: ")
        .skip(1)
        .map(|alert| {
            let name = alert.lines().next().unwrap();
            let page = after(alert, "runbook_url: ");
            (name.to_owned(), (*page.first().unwrap_or_else(|| panic!("{name} has no page"))).to_owned())
        })
        .collect();
    linked.extend(rules().into_iter().filter_map(|rule| Some((rule.title, rule.runbook?))));
    assert_eq!(linked, pages);
}
