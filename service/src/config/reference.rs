//! The reference page of all settings, made from the table.

use std::fmt::Write;

use super::names::RETIRED;
use super::settings::{GROUPS, Preset, Setting};

const HEAD: &str = "\
# Configuration

<!-- Made from the table of settings in service/src/config; a test compares. Change the table, then run
     `cargo run --release -p tape-service --example reference > docs/configuration.md`. -->

Every setting is an environment variable. The same names, in upper or lower case, may stand in a TOML file, which
`--config FILE` or `TAPE_CONFIG=FILE` names:

```toml
kafka_bootstrap_servers = [\"kafka-1:9092\", \"kafka-2:9092\"]
window_duration = \"5m\"
alert_min_trades = 20
db_password_file = \"/run/secrets/db\"
```

- The environment wins over the file, the file over the defaults. `tape config` shows what holds and where it came from.
- An empty variable counts as not set, except `KAFKA_TOPIC_LATE`, where empty means none.
- Durations carry their unit: `250ms`, `10s`, `5m`, `1h`. Sizes are plain bytes.
- A **secret** is never shown. Instead of `NAME`, `NAME_FILE` may name a file that holds it; a line break at its end is
  dropped.
- All mistakes are reported together, one line each, and the process ends with exit code 64 before it touches anything.
  An unknown name in the file, or one that begins with `TAPE_`, is a mistake; a variable that is nearly called like a
  setting is a warning.
";

/// The page as Markdown: rules, one table for each subject, names that are ignored.
pub fn reference_markdown() -> String {
    let mut page = String::from(HEAD);
    for group in GROUPS {
        let _ = writeln!(
            page,
            "\n## {}\n\n| Name | Default | Allowed | Meaning |\n|---|---|---|---|",
            group.title
        );
        for setting in group.settings {
            page.push_str(&row(setting));
        }
    }
    page.push_str("\n## Accepted and ignored\n\n| Name | Instead |\n|---|---|\n");
    for (name, instead) in RETIRED {
        let _ = writeln!(page, "| `{name}` | {instead} |");
    }
    page
}

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        Preset::Is(text) => format!("`{text}`"),
        Preset::Absent => "none".to_owned(),
        Preset::Derived(words) => words.to_owned(),
    };
    let alias = setting.alias.map(|alias| format!(" (also `{alias}`)")).unwrap_or_default();
    let secret = if setting.secret { " **Secret.**" } else { "" };
    format!("| `{}`{alias} | {default} | {} | {}{secret} |\n", setting.name, setting.kind, setting.doc)
}
