//! Can the brokers be reached, also where they tell clients to find them? Do the topics fit?

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use tape_kafka::{Admin, Broker, Clients, topics};
use tape_service::Config;

use super::Finding;

const AREA: &str = "kafka";
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the brokers may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let servers = &config.kafka.bootstrap_servers;
    let tried: Vec<_> = servers.split(',').map(|server| (server.to_owned(), connect(server))).collect();
    let mut findings = bootstrap(&tried);
    if tried.iter().all(|(_, result)| result.is_err()) {
        return findings;
    }
    let clients = Clients::new(&config.kafka, &format!("{}-doctor", config.app_id));
    let answered = clients.admin().and_then(|admin| Ok((admin.brokers(ANSWER)?, admin)));
    let (brokers, admin) = match answered {
        Ok(answered) => answered,
        Err(error) => {
            findings.push(Finding::problem(AREA, error.to_string(), SECURITY));
            return findings;
        }
    };
    let tried: Vec<_> = brokers
        .into_iter()
        .map(|broker| {
            let result = connect(&format!("{}:{}", broker.host, broker.port));
            (broker, result)
        })
        .collect();
    findings.extend(advertised(&tried));
    if tried.iter().all(|(_, result)| result.is_ok()) {
        findings.extend(judge_topics(&admin, config));
    }
    findings
}

const SECURITY: &str = "a port that opens and a broker that does not answer: KAFKA_SECURITY_PROTOCOL, SASL and TLS settings must be those \
                        of the listener on that port";

/// Opens a connection to `host:port`, and closes it.
fn connect(server: &str) -> Result<(), String> {
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused: nobody listens there".to_owned(),
        io::ErrorKind::TimedOut => format!("no answer within {CONNECT:?}: another network, or a firewall"),
        _ => error.to_string(),
    };
    let addresses =
        server.to_socket_addrs().map_err(|error| format!("the name is not known here ({error})"))?;
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => last = explain(error),
        }
    }
    Err(last)
}

fn bootstrap(tried: &[(String, Result<(), String>)]) -> Vec<Finding> {
    let finding = |(server, result): &(String, Result<(), String>)| {
        let why = result.as_ref().err()?;
        let what = format!("{server} of KAFKA_BOOTSTRAP_SERVERS cannot be reached: {why}");
        let remedy = "is the broker up, is the address that of a listener for this network?";
        Some(if tried.iter().any(|(_, result)| result.is_ok()) {
            Finding::note(AREA, what, remedy)
        } else {
            Finding::problem(AREA, what, remedy)
        })
    };
    tried.iter().filter_map(finding).collect()
}

/// A client asks the bootstrap servers only once; from then on it goes where the brokers tell it to.
fn advertised(tried: &[(Broker, Result<(), String>)]) -> Vec<Finding> {
    let mut findings: Vec<_> = tried
        .iter()
        .filter_map(|(Broker { id, host, port }, result)| {
            let why = result.as_ref().err()?;
            Some(Finding::problem(
                AREA,
                format!("broker {id} tells clients to find it at {host}:{port}, and that cannot be reached from here: {why}"),
                "advertised.listeners of that broker must name an address that this machine reaches; give clients of each network a \
                 listener of their own",
            ))
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            AREA,
            format!("{} brokers can be reached where they say they are", tried.len()),
        ));
    }
    findings
}

fn judge_topics(admin: &Admin, config: &Config) -> Vec<Finding> {
    let mut specs = topics::specs(config);
    // How many partitions the topics have is the user's business; that input and changelog have the same number is ours.
    match admin.partition_count(&config.topics.raw_trades, ANSWER) {
        Ok(Some(count)) => {
            let changelog = &config.topics.changelog;
            specs
                .iter_mut()
                .for_each(|spec| spec.partitions = if spec.name == *changelog { count } else { 0 });
        }
        Ok(None) => {}
        Err(error) => return vec![Finding::problem(AREA, error.to_string(), "`tape status` asks again")],
    }
    match admin.verify(&specs, ANSWER) {
        Ok(mismatches) if mismatches.is_empty() => {
            vec![Finding::ok(AREA, format!("{} topics are as they must be", specs.len()))]
        }
        Ok(mismatches) => mismatches
            .into_iter()
            .map(|found| {
                let what = format!(
                    "topic {}: {} is {}, must be {}",
                    found.topic, found.what, found.found, found.wanted
                );
                Finding::problem(AREA, what, found.remedy)
            })
            .collect(),
        Err(error) => vec![Finding::problem(
            AREA,
            error.to_string(),
            "the role of this client needs DescribeConfigs on the topics",
        )],
    }
}

#[cfg(test)]
mod tests {
    use tape_kafka::Broker;

    use super::super::Level;
    use super::{advertised, bootstrap, connect};

    #[test]
    fn one_server_of_several_is_enough() {
        let refused = || Err("refused".to_owned());
        let levels = |tried: &[(String, Result<(), String>)]| {
            bootstrap(tried).iter().map(|found| found.level).collect::<Vec<_>>()
        };
        assert!(levels(&[("a:1".to_owned(), Ok(()))]).is_empty());
        assert_eq!(levels(&[("a:1".to_owned(), Ok(())), ("b:1".to_owned(), refused())]), [Level::Note]);
        assert_eq!(levels(&[("a:1".to_owned(), refused())]), [Level::Problem]);
    }

    #[test]
    fn an_address_for_others_is_found() {
        let broker = || Broker { id: 7, host: "kafka".to_owned(), port: 9092 };
        assert_eq!(advertised(&[(broker(), Ok(()))])[0].level, Level::Ok);
        let found = advertised(&[(broker(), Err("the name is not known here".to_owned()))]);
        assert!(found[0].what.contains("broker 7") && found[0].what.contains("kafka:9092"), "{found:?}");
        assert!(found[0].remedy.as_deref().unwrap_or_default().contains("advertised.listeners"));
    }

    #[test]
    fn a_connection_that_fails_says_why() {
        assert!(connect("no-such-host.invalid:9092").is_err_and(|why| why.contains("not known")));
        assert!(connect("127.0.0.1:1").is_err_and(|why| why.contains("refused")));
    }
}
