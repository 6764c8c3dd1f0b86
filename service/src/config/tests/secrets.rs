//! Secrets from files, and that no secret is ever shown.

use std::path::Path;

use super::super::settings;
use super::{assert_contains, load, loaded, refused};
use crate::Secret;

/// Longer than any word of ours, so that finding it is no accident.
const WORD: &str = "hunter2-correct-horse";

fn written(folder: &Path, bytes: &[u8]) -> String {
    let path = folder.join("secret");
    std::fs::write(&path, bytes).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

fn secrets() -> Vec<&'static str> {
    settings::all().filter(|setting| setting.secret).map(|setting| setting.name).collect()
}

#[test]
fn these_are_the_secrets() {
    assert_eq!(
        secrets(),
        [
            "MASSIVE_API_KEY",
            "KAFKA_SASL_PASSWORD",
            "KAFKA_SSL_KEY_PASSWORD",
            "DB_PASSWORD",
            "GRAFANA_ADMIN_PASSWORD"
        ]
    );
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |bytes: &[u8], expected: &str| {
        let path = written(folder.path(), bytes);
        let loaded = loaded(&[("DB_PASSWORD_FILE", &path)]);
        assert_eq!(loaded.config.db.password.as_ref().map(Secret::expose), Some(expected));
        let line =
            loaded.values.iter().find(|value| value.name == "DB_PASSWORD").expect("listed").to_string();
        assert_eq!(line, "DB_PASSWORD = *** (environment, DB_PASSWORD_FILE)");
    };
    check(b"s3cret", "s3cret");
    check(b"s3cret\n", "s3cret");
    check(b"s3cret\r\n", "s3cret");
    check(b" s3cret \n", " s3cret ");
}

#[test]
fn every_secret_has_its_file_in_both_layers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = written(folder.path(), b"x\n");
    for name in secrets() {
        // Those of Kafka are refused without a protocol, which shows that they arrived.
        let name_file = format!("{name}_FILE");
        let toml = format!("{} = {path:?}", name_file.to_lowercase());
        for result in [load(&[(&name_file, &path)], None), load(&[], Some(&toml))] {
            match result {
                Ok(loaded) => {
                    let value = loaded.values.iter().find(|value| value.name == name).expect("listed");
                    assert_eq!(
                        (value.value.as_str(), value.via.as_deref()),
                        ("***", Some(name_file.as_str()))
                    );
                }
                Err(errors) => assert_contains(&errors.to_string(), &[name, "KAFKA_SECURITY_PROTOCOL"]),
            }
        }
    }
}

#[test]
fn mistakes_with_files_of_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |bytes: &[u8], part: &str| {
        let path = written(folder.path(), bytes);
        let lines = refused(&[("DB_PASSWORD_FILE", &path)]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_contains(&lines[0], &["DB_PASSWORD_FILE", part]);
        lines[0].clone()
    };
    check(b"", "is empty");
    check(b"\n", "is empty");
    check(b"\xff", "not valid UTF-8");
    check(&vec![b'x'; 64 * 1024 + 1], "longer than 65536 bytes");
    let line = check(format!("{WORD}\n{WORD}").as_bytes(), "control character");
    assert!(!line.contains(WORD));
    let lines = refused(&[("DB_PASSWORD_FILE", "/nowhere/secret")]);
    assert_contains(
        &lines[0],
        &["DB_PASSWORD_FILE=\"/nowhere/secret\"", "cannot read the file", "correct the path"],
    );
    let path = written(folder.path(), b"x");
    let lines = refused(&[("DB_PASSWORD", WORD), ("DB_PASSWORD_FILE", &path)]);
    assert_eq!(lines.len(), 1);
    assert_contains(&lines[0], &["DB_PASSWORD", "DB_PASSWORD_FILE", "both set", "keep only one"]);
    assert!(!lines[0].contains(WORD));
}

#[test]
fn the_environment_wins_as_a_whole() {
    let config =
        load(&[("DB_PASSWORD", "env")], Some("db_password_file = \"/nowhere\"")).expect("sound").config;
    assert_eq!(config.db.password.as_ref().map(Secret::expose), Some("env"));
}

#[test]
fn nothing_shows_a_secret() {
    let kafka = [
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
        ("KAFKA_SASL_USERNAME", "u"),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", "/c"),
        ("KAFKA_SSL_KEY_LOCATION", "/k"),
    ];
    let env: Vec<_> = secrets().into_iter().map(|name| (name, WORD)).chain(kafka).collect();
    let loaded = loaded(&env);
    let shown = format!(
        "{loaded:?}{loaded:#?}{:?}",
        loaded.values.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    assert!(!shown.contains(WORD), "{shown}");
    assert_eq!(loaded.values.iter().filter(|value| value.value == "***").count(), secrets().len());
    let secret = loaded.config.db.password.expect("set");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    assert_eq!(secret.expose(), WORD);
}

#[test]
fn no_mistake_shows_a_secret() {
    let bad = format!("{WORD}\u{7}");
    for name in secrets() {
        let lines = refused(&[(name, &bad)]);
        assert_contains(&lines[0], &[name, "=*** (environment): contains a control character"]);
        let user = format!("ann:{WORD}@host");
        for (other, text) in [
            ("KAFKA_BOOTSTRAP_SERVERS", format!("{user}:1")),
            ("MASSIVE_WS_URL", format!("wss://{user}/stocks")),
            ("MASSIVE_REST_URL", format!("https://{user}")),
            ("DB_HOST", user.clone()),
        ] {
            let lines = refused(&[(other, &text)]);
            assert!(!lines.join("\n").contains(WORD), "{lines:?}");
        }
        for toml in [
            format!("{name} = {WORD}"),
            format!("{name} = \"{WORD}"),
            format!("{name} = [\"{WORD}\"]"),
            format!("{name} = {{ a = \"{WORD}\" }}"),
            format!("{name}x = \"{WORD}\""),
            format!("{name} = \"{WORD}\"\n{} = \"{WORD}2\"", name.to_lowercase()),
            format!("{name} = \"{WORD}\"\n{name}_FILE = \"/x\""),
            format!("{name} \"{WORD}\""),
        ] {
            let text = load(&[], Some(&toml)).expect_err(&toml).to_string();
            assert!(!text.contains(WORD), "{toml}: {text}");
        }
    }
}
