use RDKafkaErrorCode as C;

use super::*;

type Reports = &'static [(C, &'static str)];

fn journal(reports: &[(C, &str)]) -> Journal {
    let journal = Journal::new();
    for (code, reason) in reports {
        journal.report(&KafkaError::Global(*code), reason);
    }
    journal
}

#[test]
fn what_stands_behind_a_deadline() {
    let table: [(Reports, Reaction, &str); 6] = [
        (&[], Reaction::Retry, "ask: nothing came"),
        (&[(C::BrokerTransportFailure, "refused")], Reaction::Retry, "ask: nothing came: refused"),
        (
            &[(C::BrokerTransportFailure, "refused"), (C::AllBrokersDown, "1/1 down")],
            Reaction::Retry,
            "ask: nothing came: refused",
        ),
        (&[(C::AllBrokersDown, "1/1 down")], Reaction::Retry, "ask: nothing came: 1/1 down"),
        (
            &[
                (C::BrokerTransportFailure, "cut"),
                (C::Authentication, "wrong password"),
                (C::AllBrokersDown, "down"),
            ],
            Reaction::Config,
            "ask: wrong password (Authentication); check the SASL user name, password and mechanism",
        ),
        (
            &[(C::SSL, "handshake failed"), (C::BrokerTransportFailure, "cut")],
            Reaction::Config,
            "ask: handshake failed (SSL); check KAFKA_SECURITY_PROTOCOL and the certificate settings",
        ),
    ];
    for (reports, reaction, line) in table {
        let error = journal(reports).at_deadline(Error::timeout("ask", "nothing came"));
        assert_eq!((error.reaction, error.to_string().as_str()), (reaction, line), "{reports:?}");
    }
}

#[test]
fn an_answer_ends_the_trouble() {
    let journal = journal(&[(C::Authentication, "wrong password")]);
    assert!(journal.refusal("ask").is_some());
    journal.accepted();
    assert!(journal.refusal("ask").is_none());
    assert!(journal.at_deadline(Error::timeout("ask", "nothing came")).is_timeout());
    assert_eq!(journal.served(), 1);
}

#[test]
fn every_line_has_its_way() {
    let flood = ["FAIL", "ERROR", "REQTMOUT", "GETPID"];
    assert!(flood.iter().all(|facility| is_flood(facility) && !is_returned(facility)));
    let returned = ["TXNERR", "FATAL", "ADDOFFSETS"];
    assert!(returned.iter().all(|facility| is_returned(facility) && !is_flood(facility)));
    assert!(!is_flood("SESSTMOUT") && !is_returned("SESSTMOUT"));
}
