//! Which failures of a start pass by themselves: those of brokers and databases that are away.

use std::error::Error;
use std::sync::Arc;

use kafka::{KafkaError, TopicError};
use ledger::{AppendError, ReadError};
use postgres::Fault;
use vault::KeyStoreError;

/// Whether a start that failed so may work later. What lies deepest knows best.
pub(in crate::serve) fn is_away(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| passes(bare(cause))).last().unwrap_or(false)
}

/// What an error says about that, if it does.
fn passes(error: &(dyn Error + 'static)) -> Option<bool> {
    if let Some(error) = error.downcast_ref::<KafkaError>() {
        Some(kafka::passes(error))
    } else if let Some(error) = error.downcast_ref::<Fault>() {
        Some(error.passes())
    } else if let Some(error) = error.downcast_ref::<TopicError>() {
        Some(error.passes())
    } else if let Some(error) = error.downcast_ref::<ReadError>() {
        Some(matches!(error, ReadError::Unavailable { .. }))
    } else if let Some(error) = error.downcast_ref::<AppendError>() {
        Some(matches!(error, AppendError::Busy | AppendError::Rejected { .. } | AppendError::Unknown { .. }))
    } else {
        use KeyStoreError::{Busy, Rejected, Unavailable, Unknown};
        let error = error.downcast_ref::<KeyStoreError>()?;
        Some(matches!(error, Busy | Rejected { .. } | Unavailable { .. } | Unknown { .. }))
    }
}

/// An error that several share.
fn bare<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        &**shared
    } else if let Some(shared) = error.downcast_ref::<Arc<KafkaError>>() {
        &**shared
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use admission::DirectoryError;
    use anyhow::Context;
    use kafka::ErrorCode;

    use super::*;

    fn read(source: impl Error + Send + Sync + 'static) -> DirectoryError {
        DirectoryError::Read(ReadError::Unavailable { source: Arc::new(source) })
    }

    fn started(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
        Err::<(), _>(error).context("cannot read the directory").unwrap_err()
    }

    #[test]
    fn what_is_away_is_told_from_what_is_wrong() {
        let corrupt = ReadError::Corrupt { partition: 0, position: 7, detail: "no JSON".to_owned() };
        let cases = [
            (started(read(kafka::ReadError::TimedOut)), true),
            (started(read(KafkaError::MetadataFetch(ErrorCode::DestroyBroker))), true),
            (started(read(KafkaError::Global(ErrorCode::TopicAuthorizationFailed))), false),
            (started(DirectoryError::Read(corrupt)), false),
            (started(DirectoryError::NoGenesis), false),
            (started(Fault::Lost), true),
            (started(Fault::Content("it belongs to another ledger".to_owned())), false),
            (anyhow::anyhow!("the admin token is empty"), false),
        ];
        for (error, expected) in cases {
            assert_eq!(is_away(&error), expected, "{error:#}");
        }
    }
}
