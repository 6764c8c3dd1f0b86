//! Does the database let us in, has it room for more, is it ours?

use std::time::Duration;

use tape_db::vitals::Vitals;
use tape_service::Config;

use super::Finding;
use crate::database::{self, Unanswered};

const AREA: &str = "database";
/// How long a connection, and then all questions, may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Shares of the connections in use from which something is to be done.
const CROWDED: f64 = 0.8;
const FULL: f64 = 0.95;
/// Clocks that differ by less do not matter, seconds.
const CLOCK_NOTE: f64 = 1.0;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let asked = database::ask(config, "doctor", ANSWER, async |connection, pool| {
        let vitals = tape_db::vitals::vitals(connection).await?;
        Ok((vitals, tape_db::schema::fits(connection, pool, config).await?))
    });
    let (vitals, fits) = match asked {
        Ok(answer) => answer,
        Err(unanswered) => return vec![away(&unanswered)],
    };
    let mut findings = judge(&vitals, config.db.pool_max);
    findings.push(match fits {
        Ok(()) => Finding::ok(AREA, format!("schema {} is that of this tape", tape_db::schema::newest())),
        Err(failure) => {
            let text = failure.to_string();
            // The remedy is the last part of these sentences.
            let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "run `tape migrate`"));
            Finding::problem(AREA, what, remedy)
        }
    });
    findings
}

fn away(Unanswered { what, sqlstate }: &Unanswered) -> Finding {
    let remedy = match sqlstate.as_deref() {
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
    Finding::problem(AREA, what, remedy)
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
