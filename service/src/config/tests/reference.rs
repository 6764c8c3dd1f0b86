//! The reference page: complete, and equal to the file of the documentation.

use std::path::Path;

use super::super::{reference_markdown, settings};

#[test]
fn the_page_names_every_setting() {
    let page = reference_markdown();
    for setting in settings::all() {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{}`", setting.name))).count();
        assert_eq!(rows, 1, "{}", setting.name);
        assert!(!setting.doc.is_empty() && !setting.doc.contains('|'), "{}", setting.name);
        assert!(setting.doc.ends_with('.'), "{}: {}", setting.name, setting.doc);
    }
    assert!(
        page.lines().all(|line| line.matches('|').count() % 5 == 0 || line.matches('|').count() == 3),
        "columns"
    );
}

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new("../docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        page == reference_markdown(),
        "docs/configuration.md is out of date: run `cargo run --release -p tape-service --example reference > \
         docs/configuration.md`"
    );
}
