//! The line per request: logged once, at the boundary, with what may be logged.
//!
//! Never logged: paths (a hookup URL is a capability), queries, headers, bodies, addresses of
//! senders, and anything of a tenant. The route's pattern stands for the path.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use admission::Clock;
use prometheus::{HistogramOpts, HistogramVec, Registry};
use tokio::time::Instant;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Observes requests: `regledger_http_request_duration_seconds`, by route, method and status.
#[derive(Clone)]
pub struct Observer {
    duration: HistogramVec,
    clock: Clock,
}

impl Observer {
    /// Registers the metric.
    ///
    /// # Errors
    /// If it is registered already.
    pub fn new(metrics: &Registry, clock: Clock) -> Result<Self, prometheus::Error> {
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "regledger_http_request_duration_seconds",
                "Seconds from the request's head until the answer's head.",
            )
            .buckets(prometheus::exponential_buckets(0.000_25, 2.0, 16)?),
            &["route", "method", "status"],
        )?;
        metrics.register(Box::new(duration.clone()))?;
        Ok(Self { duration, clock })
    }
}

/// Middleware: gives each request an id, measures it and logs one line about it.
///
/// # Errors
/// Those of the service behind it.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let observer = request.app_data::<web::Data<Observer>>().cloned();
    let method = method_label(request.method().as_str());
    let mut response = next.call(request).await?;
    let seconds = started.elapsed().as_secs_f64();
    if let Some(observer) = observer {
        let id = observer.note(method, &response, seconds);
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    Ok(response)
}

impl Observer {
    /// Measures and logs an answer; the id of its request.
    fn note(&self, method: &str, response: &ServiceResponse<impl MessageBody>, seconds: f64) -> HeaderValue {
        let route = response.request().match_pattern();
        let route = route.as_deref().unwrap_or("unmatched");
        let status = response.status();
        self.duration.with_label_values(&[route, method, status.as_str()]).observe(seconds);
        let id = self.clock.new_id().to_string();
        tracing::info!(
            http.method = %method,
            http.route = %route,
            http.status = status.as_u16(),
            http.seconds = seconds,
            request.id = %id,
            "request"
        );
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// Methods are the senders' words, labels must be bounded.
fn method_label(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
