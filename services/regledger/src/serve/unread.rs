//! Bodies that nobody reads to their end: held until their sender has the answer.
//!
//! actix reads on a chunked body as long as it comes once nobody holds it, so that a slow sender keeps
//! its connection for ever. While it is held, the connection ends with the answer.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, rt};
use futures_util::{Stream, StreamExt};

/// How long an answer may take on its way.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A body that its handler reads and the middleware keeps.
#[derive(Clone)]
struct Held {
    payload: Rc<RefCell<Payload>>,
    has_ended: Rc<Cell<bool>>,
}

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(self.payload.borrow_mut().poll_next_unpin(cx));
        if chunk.is_none() {
            self.has_ended.set(true);
        }
        Poll::Ready(chunk)
    }
}

/// Middleware: holds what is left of a body.
pub(super) async fn hold(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let held = match request.take_payload() {
        Payload::None => None,
        payload => {
            let payload = Rc::new(RefCell::new(payload));
            let held = Held { payload, has_ended: Rc::default() };
            request.set_payload(Payload::Stream { payload: Box::pin(held.clone()) });
            Some(held)
        }
    };
    let answer = next.call(request).await;
    if let Some(held) = held.filter(|held| !held.has_ended.get()) {
        rt::spawn(async move {
            tokio::time::sleep(LAST_WORDS).await;
            drop(held);
        });
    }
    answer
}
