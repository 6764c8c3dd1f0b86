//! Servers that die: the brokers and the database are killed while the sink runs, and come back.
//!
//! A test program of its own, with one test: others must not run meanwhile.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../db/tests/scratch/mod.rs"]
mod scratch;

#[allow(dead_code, reason = "end_to_end uses the rest")]
mod rig;

use std::process::Command;

use rig::{Rig, Running, newest, row};
use tape_proto::messages::StockAggregate;
use tape_proto::output::OutputFormat::Protobuf;

/// Runs a script of `deploy/local` on the servers of this test run.
fn server(script: &str, action: &str) {
    let Some(folder) = std::env::var_os("LOCAL_SERVERS") else {
        panic!("LOCAL_SERVERS is not set: run it through `make test`");
    };
    let path = format!("../deploy/local/{script}");
    let status = Command::new(path).arg(action).arg(folder).status().unwrap();
    assert!(status.success(), "{script} {action}: {status}");
}

/// Sends rows, waits for them, and compares the table with all rows so far.
async fn check(rig: &Rig, sink: &Running, sent: &mut Vec<StockAggregate>, revision: i64) {
    let rows: Vec<_> = (0..500).map(|n| row(&format!("S{}", n % 20), n / 20, n % 3 == 0, revision)).collect();
    rows.iter().for_each(|row| rig.send_row(row, Protobuf));
    sent.extend(rows);
    rig.settled().await;
    assert_eq!(rig.table().await, newest(&*sent));
    sink.ready(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_servers_come_back_and_nothing_is_lost() {
    let rig = Rig::new(3).await;
    let sink = rig.start();
    let mut sent = Vec::new();
    check(&rig, &sink, &mut sent, 1).await;

    server("kafka.sh", "kill");
    let reason = sink.ready(false).await;
    assert!(reason.contains("Kafka"), "{reason}");
    server("kafka.sh", "start");
    check(&rig, &sink, &mut sent, 2).await;

    server("postgres.sh", "kill");
    // Nothing is under way: the sink must notice by itself.
    let reason = sink.ready(false).await;
    assert!(reason.contains("database"), "{reason}");
    rig.send_row(&row("Z", 0, true, 1), Protobuf);
    sent.push(row("Z", 0, true, 1));
    rig.sent();
    server("postgres.sh", "start");
    check(&rig, &sink, &mut sent, 3).await;
    assert!(rig.dead_letters().is_empty());
    sink.stop().await.unwrap();
}
