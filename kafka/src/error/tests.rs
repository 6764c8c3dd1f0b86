use RDKafkaErrorCode as C;
use Reaction::{Abort, Config, Fatal, Fenced, Retry};

use super::*;

/// Answers of librdkafka: is it fatal, does the transaction require an abort, may the call be repeated?
#[derive(Clone, Copy, Debug)]
enum Answer {
    None,
    IsFatal,
    RequiresAbort,
    Retriable,
    FatalAndRetriable,
}

fn facts(code: C, answer: Answer) -> Facts {
    let fatal = matches!(answer, Answer::IsFatal | Answer::FatalAndRetriable);
    let retriable = matches!(answer, Answer::Retriable | Answer::FatalAndRetriable);
    Facts { fatal, retriable, requires_abort: matches!(answer, Answer::RequiresAbort), ..Facts::of(code) }
}

#[test]
fn reactions_by_answer_and_code() {
    let table = [
        // What the reference page saw on real brokers.
        (C::TopicAuthorizationFailed, Answer::RequiresAbort, Config),
        (C::IllegalGeneration, Answer::RequiresAbort, Abort),
        (C::OutOfOrderSequenceNumber, Answer::IsFatal, Fatal),
        (C::Fenced, Answer::IsFatal, Fenced),
        (C::OperationTimedOut, Answer::Retriable, Retry),
        (C::BrokerTransportFailure, Answer::Retriable, Retry),
        (C::OperationTimedOut, Answer::RequiresAbort, Abort),
        (C::InvalidTransactionalState, Answer::IsFatal, Fatal),
        // The order of the questions.
        (C::OperationTimedOut, Answer::FatalAndRetriable, Fatal),
        (C::UnknownTopicOrPartition, Answer::Retriable, Retry),
        (C::TransactionalIdAuthorizationFailed, Answer::IsFatal, Config),
        (C::ProducerFenced, Answer::RequiresAbort, Abort),
        (C::Unknown, Answer::Retriable, Retry),
        // Codes alone.
        (C::GroupAuthorizationFailed, Answer::None, Config),
        (C::SaslAuthenticationFailed, Answer::None, Config),
        (C::Authentication, Answer::None, Config),
        (C::UnknownTopicOrPartition, Answer::None, Config),
        (C::UnsupportedFeature, Answer::None, Config),
        (C::MessageSizeTooLarge, Answer::None, Config),
        (C::FencedInstanceId, Answer::None, Fenced),
        (C::FencedInstanceId, Answer::IsFatal, Fenced),
        (C::RebalanceInProgress, Answer::None, Abort),
        (C::UnknownMemberId, Answer::None, Abort),
        (C::MessageTimedOut, Answer::None, Abort),
        (C::AllBrokersDown, Answer::None, Retry),
        (C::CoordinatorLoadInProgress, Answer::None, Retry),
        (C::UnstableOffsetCommit, Answer::None, Retry),
        (C::Conflict, Answer::None, Fatal),
        (C::State, Answer::None, Fatal),
        (C::Unknown, Answer::None, Fatal),
    ];
    for (code, answer, expected) in table {
        assert_eq!(reaction(&facts(code, answer)), expected, "{code:?}, {answer:?}");
    }
}

#[test]
fn only_a_time_out_that_may_be_repeated_is_a_time_out() {
    let timed_out = |answer| Error::from_facts("commit", &facts(C::OperationTimedOut, answer));
    assert!(timed_out(Answer::Retriable).is_timeout());
    assert!(timed_out(Answer::None).is_timeout());
    assert!(!timed_out(Answer::RequiresAbort).is_timeout());
    assert!(!Error::from_code("commit", C::BrokerTransportFailure).is_timeout());
}

#[test]
fn a_line_names_action_cause_and_remedy() {
    let refused = Facts { detail: "Broker: no".into(), ..Facts::of(C::TopicAuthorizationFailed) };
    let line = Error::from_facts("write to prices[2]", &refused).to_string();
    assert!(
        line.starts_with("write to prices[2]: Broker: no (TopicAuthorizationFailed); grant the user"),
        "{line}"
    );

    let line = Error::out_of_range(Part::new("prices", 3), 7, Some((10, 20)), "").to_string();
    assert!(line.starts_with("read prices[3] at offset 7: the offset is outside"), "{line}");
    assert!(line.contains("holds 10 to 20"), "{line}");

    let line = Error::timeout("flush", "3 records are left").to_string();
    assert_eq!(line, "flush: 3 records are left");
}

#[test]
fn every_config_code_of_daily_life_has_a_remedy() {
    let codes = [
        C::TopicAuthorizationFailed,
        C::GroupAuthorizationFailed,
        C::TransactionalIdAuthorizationFailed,
        C::SaslAuthenticationFailed,
        C::Authentication,
        C::UnknownTopic,
        C::UnknownTopicOrPartition,
        C::UnsupportedFeature,
        C::InvalidSessionTimeout,
        C::InvalidTransactionTimeout,
        C::InvalidReplicationFactor,
        C::MessageSizeTooLarge,
    ];
    for code in codes {
        assert_eq!(class(code), Class::Config, "{code:?}");
        assert!(remedy(code).is_some(), "{code:?}");
    }
}

#[test]
fn the_cause_of_a_failed_commit_decides() {
    let cause = Error::from_code("write to prices[0]", C::MessageSizeTooLarge);
    let commit = Error::from_facts("commit", &facts(C::MessageSizeTooLarge, Answer::RequiresAbort));
    let error = commit.with_reaction(Abort).because(&cause);
    assert_eq!(error.reaction, Config);
    let line = error.to_string();
    assert!(line.contains("write to prices[0]") && line.contains("max.message.bytes"), "{line}");
}

#[test]
fn config_errors_become_config_failures() {
    let failure = Failure::from(Error::from_code("read", C::UnknownTopic));
    assert!(matches!(failure, Failure::Config(_)), "{failure}");
    let failure = Failure::from(Error::from_code("read", C::Fail));
    assert!(matches!(failure, Failure::Other(_)), "{failure}");
}

#[test]
fn errors_of_the_crate_keep_their_code() {
    let table = [
        (KafkaError::AdminOp(C::PolicyViolation), Config, "PolicyViolation"),
        (KafkaError::MessageConsumptionFatal(C::Fail), Fatal, "Fail"),
        (KafkaError::MessageConsumption(C::Resolve), Retry, "Resolve"),
        (KafkaError::ConsumerCommit(C::IllegalGeneration), Abort, "IllegalGeneration"),
    ];
    for (error, reaction, name) in table {
        let found = Error::from_kafka("x", &error);
        assert_eq!((found.reaction, found.code_name().as_deref()), (reaction, Some(name)), "{error}");
    }
    let found = Error::from_kafka("x", &KafkaError::ClientCreation("no such file".into()));
    assert_eq!(found.reaction, Config);
    assert_eq!(found.to_string(), "x: no such file");
}

#[test]
fn a_refused_setting_does_not_show_its_value() {
    let error = KafkaError::ClientConfig(
        rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
        "not valid".into(),
        "sasl.password".into(),
        "hunter2".into(),
    );
    let found = Error::from_kafka("make a client", &error);
    assert_eq!(found.to_string(), "make a client: sasl.password: not valid");
    assert!(!format!("{found:?}").contains("hunter2"));
}
