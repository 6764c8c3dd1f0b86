//! What librdkafka's and the broker's codes mean by themselves.

use rdkafka::error::RDKafkaErrorCode as C;

/// What a code means by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A human must change something.
    Config,
    /// Somebody else has our identity, or our transaction is gone.
    Fence,
    /// Our place in the group, or the records in flight, are gone.
    Generation,
    /// It passes.
    Transient,
    /// None of these.
    Other,
}

/// A human must change something.
const CONFIG: &[C] = &[
    C::TopicAuthorizationFailed,
    C::GroupAuthorizationFailed,
    C::ClusterAuthorizationFailed,
    C::TransactionalIdAuthorizationFailed,
    C::SaslAuthenticationFailed,
    C::Authentication,
    C::UnsupportedSASLMechanism,
    C::SecurityDisabled,
    C::UnknownTopic,
    C::UnknownTopicOrPartition,
    C::UnknownPartition,
    C::UnsupportedFeature,
    C::UnsupportedVersion,
    C::UnsupportedForMessageFormat,
    C::UnsupportedCompressionType,
    C::NotImplemented,
    C::InvalidTopic,
    C::InvalidRequiredAcks,
    C::InvalidSessionTimeout,
    C::InvalidTransactionTimeout,
    C::InvalidReplicationFactor,
    C::InvalidPartitions,
    C::InvalidConfig,
    C::InvalidGroupId,
    C::InconsistentGroupProtocol,
    C::PolicyViolation,
    C::TopicDeletionDisabled,
    C::MessageSizeTooLarge,
    C::MessageBatchTooLarge,
];

/// Somebody else has our identity, or our transaction is gone.
const FENCE: &[C] =
    &[C::Fenced, C::InvalidProducerEpoch, C::ProducerFenced, C::FencedInstanceId, C::UnreleasedInstanceId];

/// Our place in the group, or the records in flight, are gone.
const GENERATION: &[C] = &[
    C::IllegalGeneration,
    C::UnknownMemberId,
    C::RebalanceInProgress,
    C::AssignmentLost,
    C::FencedMemberEpoch,
    C::StaleMemberEpoch,
    C::MessageTimedOut,
    C::PurgeQueue,
    C::PurgeInflight,
];

/// It passes: connections, leaders, coordinators, time.
const TRANSIENT: &[C] = &[
    C::BrokerTransportFailure,
    C::AllBrokersDown,
    C::Resolve,
    C::SSL,
    C::NodeUpdate,
    C::BrokerDestroy,
    C::DestroyBroker,
    C::UnknownBroker,
    C::OperationTimedOut,
    C::TimedOutQueue,
    C::RequestTimedOut,
    C::NetworkException,
    C::LeaderNotAvailable,
    C::NotLeaderForPartition,
    C::BrokerNotAvailable,
    C::ReplicaNotAvailable,
    C::PreferredLeaderNotAvailable,
    C::EligibleLeadersNotAvailable,
    C::FencedLeaderEpoch,
    C::UnknownLeaderEpoch,
    C::OffsetNotAvailable,
    C::ReassignmentInProgress,
    C::CoordinatorLoadInProgress,
    C::CoordinatorNotAvailable,
    C::NotCoordinator,
    C::WaitingForCoordinator,
    C::WaitCache,
    C::NotController,
    C::NotEnoughReplicas,
    C::NotEnoughReplicasAfterAppend,
    C::ISRInsufficient,
    C::KafkaStorageError,
    C::StaleBrokerEpoch,
    C::FetchSessionIdNotFound,
    C::InvalidFetchSessionEpoch,
    C::ConcurrentTransactions,
    C::UnstableOffsetCommit,
    C::ThrottlingQuotaExceeded,
    C::RebootstrapRequired,
    C::InProgress,
    C::PreviousInProgress,
    C::Retry,
    C::Interrupted,
    C::Outdated,
    C::QueueFull,
    C::PollExceeded,
];

/// The class of a code.
pub(super) fn class(code: C) -> Class {
    let classes = [
        (CONFIG, Class::Config),
        (FENCE, Class::Fence),
        (GENERATION, Class::Generation),
        (TRANSIENT, Class::Transient),
    ];
    classes.iter().find(|(codes, _)| codes.contains(&code)).map_or(Class::Other, |(_, class)| *class)
}

/// What to do about a code, in the user's words.
pub(super) fn remedy(code: C) -> Option<&'static str> {
    Some(match code {
        C::TopicAuthorizationFailed => {
            "grant the user Read, Write and Describe on the topics of its role (docs: Kafka access rights)"
        }
        C::GroupAuthorizationFailed => {
            "grant the user Read and Describe on the groups that begin with APP_ID"
        }
        C::ClusterAuthorizationFailed => {
            "grant the user IdempotentWrite on the cluster (brokers before 2.8), or Create"
        }
        C::TransactionalIdAuthorizationFailed => {
            "grant the user Write and Describe on the transactional ids that begin with APP_ID"
        }
        C::SaslAuthenticationFailed | C::Authentication => "check the SASL user name, password and mechanism",
        C::UnsupportedSASLMechanism => "choose a SASL mechanism that the broker offers",
        C::SSL => "check KAFKA_SECURITY_PROTOCOL and the certificate settings",
        C::UnknownTopic | C::UnknownTopicOrPartition | C::UnknownPartition => {
            "create the topics with `tape topics`, or correct the topic's name"
        }
        C::InvalidTopic => "a topic name has 1 to 249 of A-Z a-z 0-9 . _ -",
        C::UnsupportedFeature
        | C::UnsupportedVersion
        | C::UnsupportedForMessageFormat
        | C::NotImplemented => "use a broker of Kafka 2.5 or later",
        C::UnsupportedCompressionType => "choose another COMPRESSION_TYPE",
        C::InvalidSessionTimeout => {
            "choose a session time-out between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
        }
        C::InvalidTransactionTimeout => {
            "choose a transaction time-out below the broker's transaction.max.timeout.ms"
        }
        C::InvalidReplicationFactor => "choose a KAFKA_REPLICATION_FACTOR of at most the number of brokers",
        C::InconsistentGroupProtocol => {
            "other members of this group use another assignor: stop them, or choose another APP_ID"
        }
        C::MessageSizeTooLarge | C::MessageBatchTooLarge => "raise max.message.bytes of the topic",
        C::FencedInstanceId | C::UnreleasedInstanceId => {
            "another live process has this instance id: give each process its own INSTANCE_ID"
        }
        C::Fenced | C::ProducerFenced | C::InvalidProducerEpoch => {
            "another instance with this transactional id is alive, or the transaction timed out"
        }
        _ => return None,
    })
}
