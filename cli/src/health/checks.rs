//! The questions. `Ok`: how well it is; `Err`: what is wrong, with the remedy.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tape_db::vitals::{COUNTED_MAX, Recent};
use tape_db::{Connection, Pool};
use tape_kafka::{Admin, Clients};
use tape_service::Config;

use crate::{database, http};

/// How long Kafka, or the database, may take for all that is asked of it.
const PATIENCE: Duration = Duration::from_secs(5);

type Answer = Result<String, String>;

pub(super) fn kafka(config: &Config) -> Answer {
    let admin = admin(config)?;
    let topics = &config.topics;
    let count = partitions(&admin, &topics.raw_trades)?;
    for topic in [&topics.aggregates, &topics.alerts, &topics.changelog] {
        partitions(&admin, topic)?;
    }
    Ok(format!("all partitions have a leader; {} has {count}", topics.raw_trades))
}

fn admin(config: &Config) -> Result<Admin, String> {
    let clients = Clients::new(&config.kafka, &format!("{}-health", config.app_id));
    clients.admin().map_err(|error| error.to_string())
}

fn partitions(admin: &Admin, topic: &str) -> Result<i32, String> {
    match admin.partition_count(topic, PATIENCE) {
        Ok(Some(count)) => Ok(count),
        Ok(None) => Err(format!("topic {topic} does not exist: `tape topics` creates it")),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn database(config: &Config) -> Answer {
    with_database(config, async |connection, pool| {
        if let Err(failure) = tape_db::schema::fits(connection, pool, config).await? {
            return Ok(Err(failure.to_string()));
        }
        let server = tape_db::layout::detect(&***connection).await?;
        Ok(Ok(format!("{server}, schema {}", tape_db::schema::newest())))
    })
}

pub(super) fn rows(config: &Config) -> Answer {
    with_database(config, async |connection, _| Ok(judge(tape_db::vitals::recent(connection).await?)))
}

fn judge(Recent { rows, newest_end_age }: Recent) -> Answer {
    let newest = match newest_end_age {
        None => return Err("no window was ever written: does the sink run, and the producer?".to_owned()),
        Some(age) if age < 0.0 => "the newest one is open".to_owned(),
        Some(age) => {
            let age = humantime::format_duration(Duration::from_secs(age as u64));
            format!("the newest one ended {age} ago")
        }
    };
    match rows {
        0 => Err(format!("no window began within the last hour, {newest}: a quiet market, or `tape doctor`")),
        COUNTED_MAX => Ok(format!("{COUNTED_MAX} windows and more began within the last hour, {newest}")),
        rows => Ok(format!("{rows} windows began within the last hour, {newest}")),
    }
}

fn with_database(
    config: &Config,
    question: impl AsyncFnOnce(&Connection, &Pool) -> Result<Answer, tape_db::Error>,
) -> Answer {
    database::ask(config, "health", PATIENCE, question).map_err(|unanswered| unanswered.what)?
}

pub(super) fn processor(config: &Config, url: Option<&str>) -> Answer {
    let (group, input) = (tape_processor::group(config), &config.topics.raw_trades);
    let admin = admin(config)?;
    let partitions = partitions(&admin, input)?;
    let found = admin.group(&group, PATIENCE).map_err(|error| error.to_string())?;
    let owned =
        found.members.iter().flat_map(|member| &member.parts).filter(|part| *part.topic == **input).count();
    if found.members.is_empty() {
        return Err(format!("group {group} has no members: `tape process` does not run"));
    }
    if found.state != "Stable" || owned < partitions as usize {
        return Err(format!(
            "{owned} of {partitions} partitions are owned, group {group} is {}",
            found.state
        ));
    }
    let shared = format!("{} members share {partitions} partitions", found.members.len());
    // On another machine it is the group that tells.
    match (url, ready(config.http.processor, url)) {
        (_, Ok(Ok(()))) => Ok(format!("ready; {shared}")),
        (_, Ok(Err(reason))) => Err(format!("not ready: {reason}")),
        (Some(_), Err(why)) => Err(why),
        (None, Err(_)) => Ok(shared),
    }
}

pub(super) fn producer(config: &Config, url: Option<&str>) -> Answer {
    match ready(config.http.producer, url)? {
        Ok(()) => Ok("ready".to_owned()),
        Err(reason) => Err(format!("not ready: {reason}")),
    }
}

/// What `/health/ready` of a role says: ready, or why not. The outer error: nobody says anything.
fn ready(bind: Option<SocketAddr>, url: Option<&str>) -> Result<Result<(), String>, String> {
    let own = bind.and_then(http::own_url);
    let url = url.or(own.as_deref()).ok_or("it serves no health here (HTTP_BIND_*): say where with --url")?;
    let answer =
        http::get(&format!("{url}/health/ready")).map_err(|error| format!("{url}: {error}; does it run?"))?;
    if answer.code == 200 {
        return Ok(Ok(()));
    }
    let body = serde_json::from_str::<Value>(&answer.text).unwrap_or_default();
    let reason = body["reason"].as_str().filter(|reason| !reason.is_empty());
    Ok(Err(reason.map_or_else(|| format!("{url} answers {}", answer.code), str::to_owned)))
}

pub(super) fn grafana(config: &Config, url: Option<&str>) -> Answer {
    let own = format!("http://127.0.0.1:{}", config.grafana.port);
    let url = url.unwrap_or(&own);
    let text = http::get(&format!("{url}/api/health")).and_then(http::Answer::well);
    let text = text.map_err(|error| format!("{url}: {error}; does it run, is GRAFANA_PORT right?"))?;
    let body = serde_json::from_str::<Value>(&text).unwrap_or_default();
    match body["database"].as_str() {
        Some("ok") => Ok(format!("version {}", body["version"].as_str().unwrap_or("unknown"))),
        Some(state) => Err(format!("{url}: its database is {state}")),
        None => Err(format!("{url}: not the answer of a Grafana")),
    }
}

#[cfg(test)]
mod tests {
    use tape_db::vitals::Recent;

    use super::judge;

    #[test]
    fn rows_are_judged() {
        let judged = |rows, newest_end_age| judge(Recent { rows, newest_end_age });
        assert!(judged(0, None).is_err_and(|text| text.contains("ever written")));
        assert!(judged(0, Some(7200.4)).is_err_and(|text| text.contains("ended 2h ago")));
        assert!(judged(12, Some(61.0)).is_ok_and(
            |text| text == "12 windows began within the last hour, the newest one ended 1m 1s ago"
        ));
        assert!(
            judged(100_000, Some(-1.0)).is_ok_and(|text| text.contains("and more") && text.contains("open"))
        );
    }
}
