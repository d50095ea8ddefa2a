//! The line per request: logged once, at the boundary, with what may be logged.
//!
//! Never logged: paths (a hookup URL is a capability), queries, headers, bodies, addresses of
//! senders, and anything of a tenant. The route's pattern stands for the path.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use prometheus::{HistogramOpts, HistogramVec, Registry};
use tokio::time::Instant;
use uuid::Uuid;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `regledger_http_request_duration_seconds`, by route, method and status.
#[derive(Clone)]
pub struct HttpMetrics {
    duration: HistogramVec,
}

impl HttpMetrics {
    /// Registers the metric.
    ///
    /// # Errors
    /// If it is registered already.
    pub fn new(metrics: &Registry) -> Result<Self, prometheus::Error> {
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "regledger_http_request_duration_seconds",
                "Seconds from the request's head until the answer's head.",
            )
            .buckets(prometheus::exponential_buckets(0.000_25, 2.0, 16)?),
            &["route", "method", "status"],
        )?;
        metrics.register(Box::new(duration.clone()))?;
        Ok(Self { duration })
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
    let metrics = request.app_data::<web::Data<HttpMetrics>>().cloned();
    let method = request.method().clone();
    let mut response = next.call(request).await?;
    let id = Uuid::now_v7().to_string();
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let status = response.status();
    let seconds = started.elapsed().as_secs_f64();
    if let Some(metrics) = metrics {
        metrics
            .duration
            .with_label_values(&[&route, method_label(method.as_str()), status.as_str()])
            .observe(seconds);
    }
    tracing::info!(
        http.method = method_label(method.as_str()),
        http.route = route,
        http.status = status.as_u16(),
        http.seconds = seconds,
        request.id = id,
        "request"
    );
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Ok(response)
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
