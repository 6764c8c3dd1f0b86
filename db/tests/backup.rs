//! `tape backup` and `tape restore` on a real PostgreSQL with its own `pg_dump` and `pg_restore`.

mod scratch;
mod vault;

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;

use scratch::Scratch;
use tape_db::backup::{Manifest, Tools, backup, restore};
use tape_service::Shutdown;
use vault::{Vault, config_failure, other_failure, read_manifest};

/// What a manifest is made to say.
type Change = fn(&mut Manifest);

#[tokio::test]
async fn a_backup_comes_back_row_by_row() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    scratch.fill().await;
    let (rows, schema) = (scratch.contents().await, scratch.objects().await);
    vault.tool(
        "pg_dump",
        "printf '%s\\n' \"$@\" >>\"$HERE/arguments\"; env >>\"$HERE/environment\"; exec pg_dump \"$@\"",
    );
    let done = vault.backup(&scratch, None).await;

    let arguments = fs::read_to_string(vault.path("arguments")).unwrap();
    let password = scratch.config.db.password.as_ref().unwrap().expose();
    assert!(arguments.contains("--snapshot=") && !arguments.contains(password), "{arguments}");
    assert!(!fs::read_to_string(vault.path("environment")).unwrap().contains("PGSERVICE"));
    for file in [done.file.clone(), done.file.with_extension("json")] {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(password), "{file:?} holds the password");
    }
    let name = done.file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&scratch.config.db.name) && name.contains("Z-postgresql-"), "{name}");
    let manifest = read_manifest(&done);
    assert_eq!(manifest, done.manifest);
    let names: Vec<_> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    for (table, (_, rows)) in manifest.tables.iter().zip(&rows) {
        assert_eq!(usize::try_from(table.rows).unwrap(), rows.len(), "{}", table.name);
        assert!(table.rows > 0 && table.checksum != "0", "{table:?}");
    }

    scratch.make_anew().await;
    let back = vault.restore(&scratch, &done).await.unwrap().unwrap();
    assert_eq!(back.manifest, manifest);
    assert!(back.migrated.is_some_and(|report| report.applied.is_empty()));
    assert_eq!(scratch.contents().await, rows);
    assert_eq!(scratch.objects().await, schema);
    // It is a database as before: it is written to, kept in order, and backed up to the same checksums.
    scratch.write("Z").await;
    scratch.delete("Z").await;
    scratch.maintain().await;
    let again = vault.backup(&scratch, None).await;
    assert_eq!(again.manifest.tables, manifest.tables);

    // It has tables now.
    let text = config_failure(vault.restore(&scratch, &done).await);
    assert!(text.contains("tape migrate --down --yes") && text.contains("DB_NAME"), "{text}");
    assert_eq!(scratch.contents().await, rows);
}

#[tokio::test]
async fn rows_written_meanwhile_are_in_neither_dump_nor_manifest() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    scratch.fill().await;
    let rows = scratch.contents().await;
    vault.waiting_pg_dump();
    let meanwhile = async {
        vault.seen("started").await;
        scratch.write("LATE").await;
        scratch.delete("S1").await;
        fs::write(vault.path("go"), "").unwrap();
    };
    let (done, ()) = tokio::join!(vault.backup(&scratch, None), meanwhile);
    assert_ne!(scratch.contents().await, rows);
    let other = Scratch::new().await;
    vault.restore(&other, &done).await.unwrap().unwrap();
    assert_eq!(other.contents().await, rows);
}

#[tokio::test]
async fn a_rotation_keeps_the_newest_and_what_is_not_ours() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    let name = scratch.config.db.name.clone();
    let first = vault.backup(&scratch, None).await;
    let second = vault.backup(&scratch, None).await;
    let foreign = [
        "notes.txt".to_owned(),
        format!("{name}.dump"),
        format!("{name}-x-20200101T000000Z-postgresql-15.dump"),
        "other-20200101T000000Z-postgresql-15.dump".to_owned(),
    ];
    for file in &foreign {
        fs::write(vault.path(file), "x").unwrap();
    }
    // Half a backup, and one whose manifest nobody can read.
    let half = vault.path(&format!("{name}-20300101T000000Z-postgresql-15.dump"));
    fs::write(&half, "half").unwrap();
    fs::write(half.with_extension("json.part"), "{").unwrap();
    let odd = vault.path(&format!("{name}-20190101T000000Z-postgresql-15.dump"));
    fs::write(&odd, "odd").unwrap();
    fs::write(odd.with_extension("json"), "{").unwrap();

    let third = vault.backup(&scratch, NonZeroUsize::new(2)).await;
    assert!(third.deleted.contains(&first.file) && third.deleted.contains(&half), "{:?}", third.deleted);
    assert_eq!(third.deleted.len(), 3);
    let mut expected: Vec<_> = foreign.iter().map(|file| vault.path(file)).collect();
    for dump in [&odd, &second.file, &third.file] {
        expected.extend([dump.clone(), dump.with_extension("json")]);
    }
    assert_eq!(vault.files(), vault::sorted(expected));
    assert!(second.file < third.file);
    let fourth = vault.backup(&scratch, NonZeroUsize::new(1)).await;
    assert_eq!(vault::sorted(fourth.deleted), [second.file, third.file]);
}

#[tokio::test]
async fn a_dump_that_is_not_whole_is_refused() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    scratch.fill().await;
    let done = vault.backup(&scratch, None).await;
    let target = Scratch::new().await;
    let bytes = fs::read(&done.file).unwrap();

    fs::write(&done.file, &bytes[..bytes.len() - 1]).unwrap();
    let text = config_failure(vault.restore(&target, &done).await);
    assert!(text.contains("not whole"), "{text}");
    // Of the right length, and no archive.
    fs::write(&done.file, vec![0; bytes.len()]).unwrap();
    let text = config_failure(vault.restore(&target, &done).await);
    assert!(text.contains("cannot be read"), "{text}");
    // A byte of the rows is damaged: it is an error of pg_restore or a difference, and never goes unnoticed.
    let mut damaged = bytes.clone();
    for byte in &mut damaged[bytes.len() - 1_000..][..64] {
        *byte ^= 0x55;
    }
    fs::write(&done.file, damaged).unwrap();
    let text = other_failure(vault.restore(&target, &done).await);
    assert!(text.contains("pg_restore failed") || text.contains("not what was backed up"), "{text}");

    fs::write(&done.file, &bytes).unwrap();
    let beside = done.file.with_extension("json");
    fs::rename(&beside, vault.path("elsewhere")).unwrap();
    let text = config_failure(vault.restore(&Scratch::new().await, &done).await);
    assert!(text.contains("no manifest"), "{text}");
    fs::rename(vault.path("elsewhere"), &beside).unwrap();
    vault.restore(&Scratch::new().await, &done).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_manifest_that_does_not_fit_is_noticed() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    scratch.fill().await;
    let done = vault.backup(&scratch, None).await;
    let table =
        |manifest: &mut Manifest, at: usize| (manifest.tables[at].name.clone(), manifest.tables[at].rows);
    let write = |manifest: &Manifest| {
        fs::write(done.file.with_extension("json"), serde_json::to_vec(manifest).unwrap()).unwrap();
    };

    // Noticed after the restore, by the rows.
    let mut wrong = done.manifest.clone();
    wrong.tables[0].checksum.push('1');
    let (name, _) = table(&mut wrong, 0);
    let (missing, rows) = table(&mut wrong, 1);
    wrong.tables.remove(1);
    write(&wrong);
    let text = other_failure(vault.restore(&Scratch::new().await, &done).await);
    let checksums = [&done.manifest.tables[0].checksum, &wrong.tables[0].checksum];
    assert!(text.contains(&name) && checksums.iter().all(|sum| text.contains(sum.as_str())), "{text}");
    assert!(
        text.contains(&format!("{missing}: the manifest says no such table, the database has {rows} rows")),
        "{text}"
    );

    // Refused before anything is touched.
    let target = Scratch::new().await;
    let cases: [(&str, Change); 6] = [
        ("does not know", |manifest| manifest.tables[0].name = "pg_class; DROP TABLE x".to_owned()),
        ("format is 2", |manifest| manifest.format = 2),
        ("this tape knows only", |manifest| manifest.schema += 1),
        ("WINDOW_DURATION=600s", |manifest| manifest.windows.as_mut().unwrap().window_ms = 600_000),
        ("an older server", |manifest| manifest.postgres = "99.1".to_owned()),
        ("TimescaleDB 2.28.3", |manifest| manifest.timescale = Some("2.28.3".to_owned())),
    ];
    for (words, change) in cases {
        let mut wrong = done.manifest.clone();
        change(&mut wrong);
        write(&wrong);
        let text = config_failure(vault.restore(&target, &done).await);
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(target.contents().await.is_empty());
}

#[tokio::test]
async fn programs_that_will_not_do_are_named() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    let stop = Shutdown::new();
    let mut options = vault.options(None);
    options.tools = Tools::within("");
    let text = config_failure(backup(&scratch.config, &options, &stop, |_| {}).await);
    assert!(text.contains("pg_dump is not in PATH") && text.contains("postgresql-client"), "{text}");
    let done = vault.backup(&scratch, None).await;
    let text = config_failure(restore(&scratch.config, &done.file, &Tools::within(""), &stop).await);
    assert!(text.contains("pg_restore is not in PATH"), "{text}");

    let before = vault.files();
    vault.tool("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'");
    let text = config_failure(vault.try_backup(&scratch, &stop).await);
    assert!(text.contains("pg_dump is version 9.6.24") && text.contains("postgresql-client-"), "{text}");
    vault.tool("pg_restore", "echo 'pg_restore (PostgreSQL) 9.6.24'");
    let text = config_failure(vault.restore(&Scratch::new().await, &done).await);
    assert!(text.contains("pg_restore is version 9.6.24"), "{text}");

    let said = "case $1 in --version) exec pg_dump \"$@\" ;; esac; echo half >\"${4#--file=}\"; echo 'no such luck' >&2; exit 3";
    vault.tool("pg_dump", said);
    let text = other_failure(vault.try_backup(&scratch, &stop).await);
    assert!(text.contains("pg_dump failed") && text.contains("no such luck"), "{text}");
    assert_eq!(vault.files(), before, "half a backup was left");
}

#[tokio::test]
async fn a_stop_ends_the_program_and_leaves_nothing() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    vault.waiting_pg_dump();
    let stop = Shutdown::new();
    let stopping = async {
        vault.seen("started").await;
        // Meanwhile the folder is taken.
        let text = other_failure(vault.try_backup(&scratch, &Shutdown::new()).await);
        assert!(text.contains("another backup is running"), "{text}");
        stop.request();
    };
    let (ended, ()) = tokio::join!(vault.try_backup(&scratch, &stop), stopping);
    assert!(ended.unwrap().is_none());
    assert_eq!(vault.files(), Vec::<std::path::PathBuf>::new());
    let pid = fs::read_to_string(vault.path("started")).unwrap();
    assert!(!fs::exists(format!("/proc/{}", pid.trim())).unwrap(), "pg_dump (pid {pid}) goes on");
    // The transaction is gone too.
    scratch
        .connection()
        .await
        .batch_execute("SET lock_timeout = '10s'; BEGIN; LOCK TABLE bar_rollups; COMMIT")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_without_our_tables_is_refused() {
    let (scratch, vault) = (Scratch::new().await, Vault::new());
    let text = config_failure(vault.try_backup(&scratch, &Shutdown::new()).await);
    assert!(text.contains("no tables of tape") && text.contains("DB_NAME"), "{text}");
    let mut nowhere = scratch.config.clone();
    nowhere.db.name = "tape_no_such_database".to_owned();
    let text = config_failure(backup(&nowhere, &vault.options(None), &Shutdown::new(), |_| {}).await);
    assert!(text.contains("3D000"), "{text}");
    assert_eq!(vault.files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_restore_that_fails_leaves_the_database_as_it_was() {
    let (scratch, vault) = (Scratch::migrated().await, Vault::new());
    scratch.fill().await;
    // An extension comes back before what needs it.
    let own = "CREATE EXTENSION citext; CREATE TABLE own (a citext); INSERT INTO own VALUES ('Ab')";
    scratch.connection().await.batch_execute(own).await.unwrap();
    let done = vault.backup(&scratch, None).await;
    // Somebody else's table of the same name stands in the way.
    let target = Scratch::new().await;
    target.connection().await.batch_execute(own).await.unwrap();
    let text = other_failure(vault.restore(&target, &done).await);
    assert!(text.contains("the database is as it was") && text.contains("\"own\" already exists"), "{text}");
    assert!(target.contents().await.is_empty());
    target.connection().await.batch_execute("DROP EXTENSION citext CASCADE; DROP TABLE own").await.unwrap();
    vault.restore(&target, &done).await.unwrap().unwrap();
    let row = target.connection().await.query_one("SELECT a = 'aB' FROM own", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}
