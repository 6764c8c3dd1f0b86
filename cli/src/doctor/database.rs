//! Does the database let us in, has it room for more, is it ours?

use std::time::Duration;

use tape_db::vitals::Vitals;
use tape_db::{Connection, Error, Pool};
use tape_service::Config;
use tape_service::config::Database;

use super::Finding;

const AREA: &str = "database";
/// How long a connection, and then all questions, may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Shares of the connections in use from which something is to be done.
const CROWDED: f64 = 0.8;
const FULL: f64 = 0.95;
/// Clocks that differ by less do not matter, seconds.
const CLOCK_NOTE: f64 = 1.0;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let failed = |error: &dyn std::fmt::Display| {
        vec![Finding::problem(AREA, error.to_string(), "`tape migrate --status` asks again")]
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(async {
        let database = Database { pool_max: 1, connect_timeout: ANSWER, ..config.db.clone() };
        let pool = match Pool::new(&database, &format!("{}-doctor", config.app_id)) {
            Ok(pool) => pool,
            Err(error) => return failed(&error),
        };
        let connection = match pool.get().await {
            Ok(connection) => connection,
            Err(error) => return vec![unreachable(&error, pool.target())],
        };
        match tokio::time::timeout(ANSWER, ask(&connection, &pool, config)).await {
            Ok(Ok(findings)) => findings,
            Ok(Err(error)) => failed(&error),
            Err(_) => failed(&format!("{}: no answer within {ANSWER:?}", pool.target())),
        }
    })
}

fn unreachable(error: &Error, target: &str) -> Finding {
    let remedy = match error.sqlstate() {
        Some("53300") => {
            "raise max_connections on the server, or lower DB_POOL_MAX of each role; `SELECT application_name, count(*) FROM \
             pg_stat_activity GROUP BY 1` says who has them"
        }
        Some("28P01" | "28000") => {
            "DB_USER and DB_PASSWORD (or DB_PASSWORD_FILE) must be a role of this server that pg_hba.conf lets in"
        }
        Some("3D000") => "create the database (`createdb`), or correct DB_NAME",
        Some(code) if code.starts_with("57P") => "the server starts or stops: wait",
        Some(_) => "the words are the server's",
        None => {
            "is the server up, do DB_HOST and DB_PORT name it, does it listen on that address (listen_addresses)?"
        }
    };
    Finding::problem(AREA, format!("{target}: {error}"), remedy)
}

async fn ask(connection: &Connection, pool: &Pool, config: &Config) -> Result<Vec<Finding>, Error> {
    let mut findings = judge(&tape_db::vitals::vitals(connection).await?, config.db.pool_max);
    let stored = tape_db::settings::read(connection).await?;
    let settings = tape_db::settings::check(stored, config, pool);
    let schema = tape_db::schema::check(connection, pool).await?;
    match settings.and(schema) {
        Ok(()) => findings
            .push(Finding::ok(AREA, format!("schema {} is that of this tape", tape_db::schema::newest()))),
        Err(failure) => {
            let text = failure.to_string();
            // The remedy is the last part of these sentences.
            let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "run `tape migrate`"));
            findings.push(Finding::problem(AREA, what, remedy));
        }
    }
    Ok(findings)
}

fn judge(vitals: &Vitals, pool_max: usize) -> Vec<Finding> {
    let Vitals { version, connections, max_connections, reserved, is_standby, clock_ahead } = vitals;
    let allowed = max_connections - reserved;
    let share = *connections as f64 / allowed.max(1) as f64;
    let what = format!("{connections} of {allowed} connections are in use");
    let remedy = format!(
        "a role takes up to DB_POOL_MAX={pool_max}, Grafana its maxOpenConns: raise max_connections on the server, or lower those"
    );
    let mut findings = vec![match share {
        share if share >= FULL => Finding::problem(AREA, what, remedy),
        share if share >= CROWDED => Finding::note(AREA, what, remedy),
        _ => Finding::ok(AREA, format!("PostgreSQL {version}; {what}")),
    }];
    if *is_standby {
        findings.push(Finding::problem(
            AREA,
            "the server is a standby and takes no rows",
            "point DB_HOST at the primary; the sink waits and goes on by itself after a failover",
        ));
    }
    if clock_ahead.abs() >= CLOCK_NOTE {
        let direction = if *clock_ahead > 0.0 { "ahead of" } else { "behind" };
        findings.push(Finding::note(
            AREA,
            format!("its clock is {:.1} s {direction} ours", clock_ahead.abs()),
            "synchronise both (chrony, systemd-timesyncd): alert rules and retention use the server's clock",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use tape_db::vitals::Vitals;

    use super::super::Level;
    use super::judge;

    #[test]
    fn a_server_is_judged() {
        let well = Vitals {
            version: "15.14".to_owned(),
            connections: 20,
            max_connections: 100,
            reserved: 3,
            is_standby: false,
            clock_ahead: 0.2,
        };
        let levels = |vitals: Vitals| judge(&vitals, 20).iter().map(|found| found.level).collect::<Vec<_>>();
        assert_eq!(levels(well.clone()), [Level::Ok]);
        assert_eq!(levels(Vitals { connections: 80, ..well.clone() }), [Level::Note]);
        assert_eq!(levels(Vitals { connections: 96, ..well.clone() }), [Level::Problem]);
        assert_eq!(levels(Vitals { is_standby: true, ..well.clone() }), [Level::Ok, Level::Problem]);
        assert_eq!(levels(Vitals { clock_ahead: -90.0, ..well }), [Level::Ok, Level::Note]);
    }
}
