//! Calls of an external WebAPI, as ISL Conference Proxy makes them: a form with a method and its parameters, answered with a
//! `result`.

use std::time::Duration;

use serde_json::Value;
use url::form_urlencoded;

use crate::egress::{Answer, Call, Target};
use crate::reply;

/// Somebody wants to be a user.
pub const SIGN_UP: &str = "account/signup/1";
/// A user is to be told something.
pub const NOTIFICATION: &str = "account/notification/1";
/// Somebody has forgotten a password.
pub const FORGOT_PASSWORD: &str = "account/password/forgot/1";

/// The call of a method with its parameters, a JSON object.
pub fn call<'a>(target: &'a Target, method: &str, parameters: &str, deadline: Duration) -> Call<'a> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("method", method).append_pair("parameters", parameters);
    Call::post(target, "application/x-www-form-urlencoded", form.finish(), deadline)
}

/// Whether an answer, in JSON or XML, has a `result`: the method was carried out, whatever came of it.
pub fn has_result(answer: &Answer) -> bool {
    answer.status.is_success()
        && match serde_json::from_slice::<Value>(&answer.body) {
            Ok(reply) => reply.get("result").is_some(),
            Err(_) => reply::has_element(answer, "result"),
        }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;

    use super::*;
    use crate::egress::Guard;

    #[test]
    fn an_answer_has_a_result_or_none() {
        for (status, body, expected) in [
            (200, r#"{"result": {"code": 0}}"#, true),
            (204, r#"{"result": null}"#, true),
            (200, r#"{"error": "no"}"#, false),
            (200, r#"["result"]"#, false),
            (200, r#""result""#, false),
            (200, "<response><result>0</result></response>", true),
            (200, "<result/>", true),
            (200, "<response/>", false),
            (200, "<result>", false),
            (200, "result", false),
            (200, "", false),
            (302, r#"{"result": 1}"#, false),
            (500, r#"{"result": 1}"#, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, retry_after: None, body: Bytes::from(body), is_whole: true };
            assert_eq!(has_result(&answer), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_call_is_a_form() {
        let target = Guard::new(Vec::new()).target("https://x.example/");
        let call = call(&target, SIGN_UP, r#"{"name":"a&b"}"#, Duration::from_secs(1));
        assert_eq!(call.body, "method=account%2Fsignup%2F1&parameters=%7B%22name%22%3A%22a%26b%22%7D");
    }
}
