//! Commands: appended as an intent, decided by the fold, answered with the outcome.

use actix_web::HttpRequest;
use admission::{Intent, Repetition, fingerprint, idempotency_id};
use api::{Access, Problem, ProblemType};
use registration::command::{Command, Outcome, Refusal};
use registration::event::EventType;
use registration::{Kind, Row, RowKey};
use serde::Serialize;

use crate::Query;

/// A request that is carried out once for each Idempotency-Key, if it came with one.
#[derive(Default)]
pub(crate) struct Once<'a> {
    repetition: Option<Repetition>,
    _in_progress: Option<InProgress<'a>>,
}

impl Once<'_> {
    /// Whether a repetition of it will be known.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.repetition.is_some()
    }
}

/// A command that was carried out.
pub(crate) struct Done {
    /// Name or id of its row.
    pub id: String,
    /// Whether it was carried out before, under the same Idempotency-Key.
    pub is_repeated: bool,
}

impl Query {
    /// Appends an intent and answers with what the fold decided.
    ///
    /// # Errors
    /// 404 and 409 if the fold refused it; 409 while the same Idempotency-Key is being carried out,
    /// 422 if it was used for another request; 503 if the ledger did not take it; 504 with the
    /// position if it was not projected in time.
    pub(crate) async fn carry_out(
        &self,
        request: &HttpRequest,
        access: &Access,
        intent: Intent,
        asked: &impl Serialize,
        data: &impl Serialize,
    ) -> Result<Done, Problem> {
        let (once, before) = self.once(request, access, intent.kind, asked).await?;
        match before {
            Some(command) => done(&command, true),
            None => self.finish(once, intent, data).await,
        }
    }

    /// Begins a request: nobody else carries it out while what is returned is held. If it is repeated, the command that it was
    /// before comes too.
    ///
    /// # Errors
    /// 409 while the same Idempotency-Key is being carried out, 422 if it was used for another request.
    pub(crate) async fn once(
        &self,
        request: &HttpRequest,
        access: &Access,
        kind: EventType,
        asked: &impl Serialize,
    ) -> Result<(Once<'_>, Option<Command>), Problem> {
        let Some(repetition) = repetition(request, access, kind, asked)? else {
            return Ok((Once { repetition: None, _in_progress: None }, None));
        };
        let in_progress = self.begin(&repetition.id)?;
        let before = self.command(&repetition.id).await?;
        if let Some(command) = &before {
            same_request(command, &repetition)?;
        }
        Ok((Once { repetition: Some(repetition), _in_progress: Some(in_progress) }, before))
    }

    /// Appends the intent of a request that was begun, and answers with what the fold decided.
    ///
    /// # Errors
    /// As [`Query::carry_out`].
    pub(crate) async fn finish(
        &self,
        once: Once<'_>,
        mut intent: Intent,
        data: &impl Serialize,
    ) -> Result<Done, Problem> {
        intent.repetition.clone_from(&once.repetition);
        let submitted = self.admission.submit(intent, data).await?;
        if !self.is_projected(submitted.place).await {
            return Err(outcome_unknown(submitted.place));
        }
        let command = self.command(&submitted.outcome.id).await?.ok_or_else(|| outcome_unknown(submitted.place))?;
        // What the answer says must be so for the next request to this process too.
        let _ = self.gate.directory().catch_up().await;
        let is_own = (command.partition, command.position) == (submitted.place.partition, submitted.place.position);
        if let Some(repetition) = &once.repetition {
            same_request(&command, repetition)?;
        }
        done(&command, !is_own)
    }

    /// Whether a request with this Idempotency-Key was carried out before: asked before what it did
    /// stands in its own way.
    ///
    /// # Errors
    /// 422 if the key came with another request.
    pub(crate) async fn was_carried_out(
        &self,
        request: &HttpRequest,
        access: &Access,
        kind: EventType,
        asked: &impl Serialize,
    ) -> Result<bool, Problem> {
        let Some(repetition) = repetition(request, access, kind, asked)? else {
            return Ok(false);
        };
        match self.command(&repetition.id).await? {
            Some(command) => {
                same_request(&command, &repetition)?;
                done(&command, true).map(|_| true)
            }
            None => Ok(false),
        }
    }

    /// What became of a command.
    pub(crate) async fn command(&self, id: &str) -> Result<Option<Command>, Problem> {
        match self.row(RowKey::new(Kind::Command, id)).await? {
            Some(Row::Command(command)) => Ok(Some(command)),
            _ => Ok(None),
        }
    }

    /// A row of the state store.
    pub(crate) async fn row(&self, key: RowKey) -> Result<Option<Row>, Problem> {
        self.store.row(key).await.map_err(unreadable)
    }

    /// Begins what is done once at a time; it is being done until what is returned is dropped.
    pub(crate) fn begin(&self, id: &str) -> Result<InProgress<'_>, Problem> {
        if !self.in_progress.lock().insert(id.to_owned()) {
            return Err(Problem::new(
                ProblemType::InProgress,
                "The same is being carried out at this moment; ask again in a second.",
            )
            .retry_after(1));
        }
        Ok(InProgress { query: self, id: id.to_owned() })
    }
}

/// Something that is being carried out.
pub(crate) struct InProgress<'a> {
    query: &'a Query,
    id: String,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.query.in_progress.lock().remove(&self.id);
    }
}

/// A state store that cannot be read right now.
pub(crate) fn unreadable(error: projection::StoreError) -> Problem {
    tracing::warn!(error = &error as &dyn std::error::Error, "the state store cannot be read");
    Problem::unavailable("The state store cannot be read; try again, /readyz says what is wrong.")
}

fn repetition(
    request: &HttpRequest,
    access: &Access,
    kind: EventType,
    asked: &impl Serialize,
) -> Result<Option<Repetition>, Problem> {
    let Some(key) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        .ok_or_else(|| Problem::query("The Idempotency-Key must be 1 to 255 printable ASCII characters."))?;
    let asked = serde_json::to_vec(asked).unwrap_or_default();
    let operation = format!("{} {}", request.method(), request.path());
    // The directory is folded without the other events, so the keys of both are kept apart.
    let holder = format!("{} {}", access.token.id, kind.is_directory());
    Ok(Some(Repetition { id: idempotency_id(&holder, key), fingerprint: fingerprint(&operation, &asked) }))
}

/// Refuses a key that came with another request before.
fn same_request(command: &Command, repetition: &Repetition) -> Result<(), Problem> {
    if command.fingerprint.as_ref() == Some(&repetition.fingerprint) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemType::IdempotencyKeyReused,
        "This Idempotency-Key came with another request before; use a new one.",
    ))
}

/// What the fold decided, as an answer.
pub(crate) fn done(command: &Command, is_repeated: bool) -> Result<Done, Problem> {
    match &command.outcome {
        Outcome::Applied { id } => Ok(Done { id: id.clone(), is_repeated }),
        Outcome::Refused { reason } => Err(refused(*reason)),
    }
}

/// Why the fold refused a command, as an answer.
pub(crate) fn refused(reason: Refusal) -> Problem {
    let why = match reason {
        Refusal::NotFound => return Problem::not_found(),
        Refusal::NameTaken => "The name is in use, or reserved for what had it; choose another.",
        Refusal::DomainNotFound => "There is no such domain; `default` exists from the start.",
        Refusal::DefaultDomain => "The domain `default` cannot be deleted: what names no domain belongs to it.",
        Refusal::Outdated => "Another change was faster; look at what it is now, and ask again.",
        Refusal::Superseded => "Newer notices of its client have come.",
        Refusal::StartNeeded => {
            "It is not known how far the subscription was delivered; say `from`: now, or beginning."
        }
        Refusal::KeyMissing => {
            "Nothing is sent unsigned: jwt_webhook.url needs jwt_webhook.private_key; set the key first, and take it back last."
        }
    };
    Problem::new(ProblemType::Conflict, why)
}

/// It was appended, and nobody knows yet what the fold makes of it.
pub(crate) fn outcome_unknown(place: ledger::Place) -> Problem {
    Problem::new(
        ProblemType::OutcomeUnknown,
        "It is in the ledger, but not projected yet. Send it again with the same Idempotency-Key to learn its outcome.",
    )
    .position(place)
}
