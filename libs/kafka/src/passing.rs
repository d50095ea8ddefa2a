//! Which failures pass by themselves.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Whether it may be otherwise in a moment: a broker is away or has just come back, or a partition is between two leaders or is
/// being created. That a broker turns somebody away, or refuses what is asked of it, does not pass.
#[must_use]
pub fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerDestroy, BrokerNotAvailable, BrokerTransportFailure, CoordinatorLoadInProgress,
        CoordinatorNotAvailable, DestroyBroker, FencedLeaderEpoch, ISRInsufficient, LeaderNotAvailable,
        MessageTimedOut, NetworkException, NotController, NotCoordinator, NotEnoughReplicas,
        NotEnoughReplicasAfterAppend, NotLeaderForPartition, OffsetNotAvailable, OperationTimedOut, PurgeInflight,
        PurgeQueue, ReplicaNotAvailable, RequestTimedOut, Resolve, StaleControllerEpoch, TimedOutQueue,
        UnknownLeaderEpoch, UnknownPartition, UnknownTopicOrPartition, WaitingForCoordinator,
    };
    let brokers = [AllBrokersDown, BrokerDestroy, BrokerNotAvailable, BrokerTransportFailure, DestroyBroker, Resolve];
    let answers = [MessageTimedOut, NetworkException, OperationTimedOut, RequestTimedOut, TimedOutQueue];
    let leaders = [FencedLeaderEpoch, LeaderNotAvailable, NotLeaderForPartition, UnknownLeaderEpoch];
    let partitions = [OffsetNotAvailable, ReplicaNotAvailable, UnknownPartition, UnknownTopicOrPartition];
    let replicas = [ISRInsufficient, NotEnoughReplicas, NotEnoughReplicasAfterAppend, PurgeInflight, PurgeQueue];
    let controllers = [CoordinatorLoadInProgress, CoordinatorNotAvailable, NotController, NotCoordinator];
    let others = [StaleControllerEpoch, WaitingForCoordinator];
    let all: [&[_]; 7] = [&brokers, &answers, &leaders, &partitions, &replicas, &controllers, &others];
    let code = match error {
        // rdkafka does not tell of these.
        KafkaError::AdminOp(code) => Some(*code),
        others => others.rdkafka_error_code(),
    };
    code.is_some_and(|code| all.iter().any(|codes| codes.contains(&code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_need_not_come_back() {
        use RDKafkaErrorCode::{Authentication, DestroyBroker, OperationTimedOut, SSL, TopicAuthorizationFailed};
        let cases = [
            (KafkaError::AdminOp(OperationTimedOut), true),
            (KafkaError::MetadataFetch(DestroyBroker), true),
            (KafkaError::Global(Authentication), false),
            (KafkaError::Global(SSL), false),
            (KafkaError::AdminOp(TopicAuthorizationFailed), false),
            (KafkaError::Canceled, false),
        ];
        for (error, expected) in cases {
            assert_eq!(passes(&error), expected, "{error:?}");
        }
    }
}
