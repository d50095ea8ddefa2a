//! Pages for people: nobody keeps one, and none loads anything or leads anywhere.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, REFERRER_POLICY};
use actix_web::{HttpResponse, ResponseError};
use api::{Problem, ProblemType};

/// A page; its title and heading are text, its body is HTML.
pub(crate) fn page(status: StatusCode, title: &str, heading: &str, body: &str) -> HttpResponse {
    let (title, heading) = (escaped(title), escaped(heading));
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("x-robots-tag", "noindex"))
        .insert_header(("x-frame-options", "DENY"))
        .insert_header(("content-security-policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'"))
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <h1>{heading}</h1>{body}</html>\n"
        ))
}

/// A problem as a page: a link in a mail is followed by people.
pub(crate) fn failure(title: &str, problem: &Problem) -> HttpResponse {
    let detail = match problem.kind() {
        ProblemType::NotFound => "The link is not one of this hub, or its time is over: ask for another.",
        _ => problem.detail(),
    };
    page(problem.status_code(), title, problem.kind().title(), &format!("<p>{}</p>", escaped(detail)))
}

/// Text as it stands in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut html, letter| {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_html() {
        assert_eq!(escaped("a<b>&\"'é"), "a&lt;b&gt;&amp;&quot;&#39;é");
    }
}
