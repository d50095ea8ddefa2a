//! Points in time and in the ledger, as people write them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use registration::Place;

/// A time or a ledger position, in the words of the API: RFC 3339, or `PARTITION:POSITION`.
pub fn as_of(text: &str) -> Result<String, String> {
    place(text).map(|place| place.to_string()).or_else(|_| {
        let time: Result<Timestamp, _> = text.parse();
        time.map(|time| time.to_string())
            .map_err(|_| "neither a time like 2026-11-23T10:00:00Z nor a position like 17 or 0:17".to_owned())
    })
}

/// A ledger position: `0:17`, or `17` for the only partition.
pub fn place(text: &str) -> Result<Place, String> {
    let place = if text.contains(':') { text.parse() } else { format!("0:{text}").parse() };
    place.map_err(|_| "not a position like 17 or 0:17".to_owned())
}

/// A span such as `90s`, `15m`, `1h 30m`.
pub fn span(text: &str) -> Result<Duration, String> {
    let span: Option<SignedDuration> = text.parse().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| "not a span of time like 90s, 15m or 1h".to_owned())
}

/// An end: RFC 3339, or a span from now on.
pub fn end(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let after = |span| now.saturating_add(span).unwrap_or(Timestamp::MAX);
    text.parse()
        .ok()
        .or_else(|| span(text).map(after).ok())
        .ok_or_else(|| "neither a time like 2026-12-31T00:00:00Z nor a span like 720h".to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("17", Some("0:17"))]
    #[case("3:17", Some("3:17"))]
    #[case("2026-11-23T10:00:00Z", Some("2026-11-23T10:00:00Z"))]
    #[case("2026-11-23T12:00:00+02:00", Some("2026-11-23T10:00:00Z"))]
    #[case("2026-11-23", None)]
    #[case("yesterday", None)]
    #[case("-1", None)]
    #[case("0:", None)]
    fn points_in_the_past(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(as_of(text).ok().as_deref(), expected);
    }

    #[rstest]
    #[case("90s", Some(90))]
    #[case("15m", Some(900))]
    #[case("1h 30m", Some(5400))]
    #[case("720h", Some(2_592_000))]
    #[case("-1h", None)]
    #[case("soon", None)]
    fn spans_of_time(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(span(text).ok(), seconds.map(Duration::from_secs));
    }

    #[test]
    fn an_end_is_a_time_or_a_span_from_now() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(end("1h", now).unwrap().to_string(), "2026-11-23T11:00:00Z");
        assert_eq!(end("2027-01-01T00:00:00Z", now).unwrap().to_string(), "2027-01-01T00:00:00Z");
    }
}
