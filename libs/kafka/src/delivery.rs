//! What became of a record that was handed to librdkafka.

use rdkafka::bindings::{rd_kafka_message_status, rd_kafka_msg_status_t};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use reply::Reply;
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::{note, told};

/// What became of a record: its offset, or what is known of the failure.
pub(crate) type Outcome = Result<u64, Failed>;

/// A record that was not acknowledged.
pub(crate) struct Failed {
    /// It is certain that it was not written.
    pub(crate) absent: bool,
    /// The producer must not be used any more.
    pub(crate) spent: bool,
    pub(crate) source: KafkaError,
}

/// Who waits for a record.
pub(crate) struct Ticket {
    pub(crate) reply: Reply<Outcome>,
    /// Its place among those in flight.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Answers whoever waits for a record.
pub(crate) struct Answers;

impl ClientContext for Answers {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        told(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note(&error, reason);
    }
}

impl ProducerContext for Answers {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let Ticket { reply, permit } = *ticket;
        drop(permit);
        reply.send(outcome(result));
    }
}

fn outcome(result: &DeliveryResult<'_>) -> Outcome {
    match result {
        Ok(message) => u64::try_from(message.offset()).map_err(|_| {
            // Acknowledged together with later ones, after its own acknowledgement was lost: it was written, but
            // nobody says where.
            Failed { absent: false, spent: true, source: KafkaError::NoMessageReceived }
        }),
        Err((source, message)) => Err(Failed { absent: is_absent(message), spent: true, source: source.clone() }),
    }
}

/// Whether a record that failed was certainly not written.
///
/// The error alone does not say so: it is that of the last attempt, and "timed out" is also what
/// becomes of a record that was never sent. librdkafka keeps account over all attempts.
fn is_absent(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the pointer is that of a message which is borrowed, so it is valid; the function only reads its status.
    #[expect(unsafe_code, reason = "the crate does not pass this on")]
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    status == rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}
