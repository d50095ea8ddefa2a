//! Templates: JSON with placeholders, as ISL's "External WebAPI notification parameters" are:
//! `"userName": {{name}}, "userDomain": {{domain}}`.
//!
//! A template is the inside of a JSON object. A placeholder stands where a whole value stands, and becomes one: what it
//! is replaced by is written as JSON, so no value can be more than a value, whatever is in it.

use std::ops::Range;

use registration::json::{self, Malformed};
use serde_json::Value;
use thiserror::Error;

/// The longest template in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// A template that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(String),
}

/// Why a text is not a template. It quotes nothing of the text; columns are bytes of it, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// More than 8,192 bytes.
    #[error("a template has at most 8192 bytes")]
    TooLong,
    /// A placeholder that nothing is known for.
    #[error("the placeholder at byte {at} is not known; known are {known}")]
    Unknown {
        /// Where it begins.
        at: usize,
        /// The known ones, as they are written.
        known: String,
    },
    /// A placeholder inside a string.
    #[error("the placeholder at byte {at} is inside a string; it stands for a whole value and needs no quotes")]
    InString {
        /// Where it begins.
        at: usize,
    },
    /// A placeholder without an end.
    #[error("the placeholder at byte {at} has no end; write it as {{{{name}}}}")]
    Endless {
        /// Where it begins.
        at: usize,
    },
    /// With its placeholders replaced by values it is not the inside of a JSON object.
    #[error("this is not the inside of a JSON object, as \"a\": 1, \"b\": {{{{name}}}} is: {0}")]
    NotJson(Malformed),
}

impl Template {
    /// Reads a template that may have these placeholders.
    ///
    /// # Errors
    /// [`TemplateError`] with the first thing that is wrong.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, TemplateError> {
        if text.len() > MAX_BYTES {
            return Err(TemplateError::TooLong);
        }
        let pieces = split(text, known)?;
        check(&pieces)?;
        Ok(Self(pieces.into_iter().map(|(_, piece)| piece).collect()))
    }

    /// Writes the JSON object, with each placeholder replaced by the value that is known for it.
    pub fn render(&self, value_of: impl Fn(&str) -> Value) -> String {
        let mut object = String::from("{");
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => object.push_str(text),
                Piece::Placeholder(name) => object.push_str(&value_of(name).to_string()),
            }
        }
        object.push('}');
        object
    }
}

/// Takes the placeholders out; each piece with the bytes of the text that it stands for. Outside of a string `{{` is
/// nothing else in JSON, where a name is a string.
fn split(text: &str, known: &[&str]) -> Result<Vec<(Range<usize>, Piece)>, TemplateError> {
    let (mut pieces, mut begin, mut at) = (Vec::new(), 0, 0);
    let mut in_string = false;
    let verbatim = |range: Range<usize>| (range.clone(), Piece::Text(text[range].to_owned()));
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'{', b'{', ..] if in_string => return Err(TemplateError::InString { at: at + 1 }),
            [b'{', b'{', ..] => {
                let name = placeholder(text, at, known)?;
                let end = at + "{{}}".len() + name.len();
                pieces.push(verbatim(begin..at));
                pieces.push((at..end, Piece::Placeholder(name.trim().to_owned())));
                (begin, at) = (end, end);
            }
            [b'\\', _, ..] if in_string => at += 2,
            [byte, ..] => {
                in_string ^= *byte == b'"';
                at += 1;
            }
            [] => break,
        }
    }
    pieces.push(verbatim(begin..text.len()));
    Ok(pieces)
}

/// The name in the placeholder that begins at a byte, as it is written there.
fn placeholder<'t>(text: &'t str, at: usize, known: &[&str]) -> Result<&'t str, TemplateError> {
    let inside = &text[at + "{{".len()..];
    let end = inside.find("}}").ok_or(TemplateError::Endless { at: at + 1 })?;
    let name = &inside[..end];
    if known.contains(&name.trim()) {
        return Ok(name);
    }
    let known = known.iter().map(|name| format!("{{{{{name}}}}}")).collect::<Vec<_>>().join(", ");
    Err(TemplateError::Unknown { at: at + 1, known })
}

/// Holds a template against the grammar, with `null` written over every placeholder: next to anything that cannot stand
/// beside a value `null` is no JSON, and neither is it in the place of a name.
fn check(pieces: &[(Range<usize>, Piece)]) -> Result<(), TemplateError> {
    let mut object = String::from("{");
    for (range, piece) in pieces {
        match piece {
            Piece::Text(text) => object.push_str(text),
            Piece::Placeholder(_) => object.push_str(&format!("{:<width$}", "null", width = range.len())),
        }
    }
    object.push('}');
    json::parse(object.as_bytes()).map(drop).map_err(|found| {
        // the brace is not in the template
        let column = if found.line == 1 { (found.column - 1).max(1) } else { found.column };
        TemplateError::NotJson(Malformed { column, ..found })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use registration::json::Problem;
    use serde_json::json;

    use super::*;

    const KNOWN: &[&str] = &["name", "domain", "email"];

    fn parse(text: &str) -> Result<Template, TemplateError> {
        Template::parse(text, KNOWN)
    }

    fn render(text: &str) -> Value {
        let object = parse(text).unwrap().render(|name| match name {
            "name" => json!("eve \"},{"),
            "domain" => json!({"name": "{{email}}"}),
            _ => Value::Null,
        });
        json::parse(object.as_bytes()).unwrap()
    }

    #[test]
    fn placeholders_become_values() {
        let cases = [
            (
                r#""userName": {{name}}, "userDomain": {{domain}}"#,
                json!({"userName": "eve \"},{", "userDomain": {"name": "{{email}}"}}),
            ),
            (r#""a":{{name}}"#, json!({"a": "eve \"},{"})),
            (r#""a":{{ email }}"#, json!({"a": null})),
            (r#""a":[{{email}},{"b":{{email}}}]"#, json!({"a": [null, {"b": null}]})),
            (r#""a": "}}", "\"": "\\", "b": {{email}}"#, json!({"a": "}}", "\"": "\\", "b": null})),
            (r#""a": 1, "é": [true]"#, json!({"a": 1, "é": [true]})),
            ("", json!({})),
            (" \n", json!({})),
        ];
        for (text, expected) in cases {
            assert_eq!(render(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused_where_it_goes_wrong() {
        let not_json = |problem, line, column| TemplateError::NotJson(Malformed { problem, line, column });
        let syntax = |column| not_json(Problem::Syntax, 1, column);
        let unknown = |at| TemplateError::Unknown { at, known: "{{name}}, {{domain}}, {{email}}".to_owned() };
        let cases = [
            (r#""a": {{password}}"#, unknown(6)),
            (r#""a": {{}}"#, unknown(6)),
            (r#""a": {{NAME}}"#, unknown(6)),
            (r#""a": {{{name}}}"#, unknown(6)),
            (r#""a": {{na}}, "b": {{name}}"#, unknown(6)),
            (r#""a": "{{name}}""#, TemplateError::InString { at: 7 }),
            (r#""a": "Hello \"{{name}}""#, TemplateError::InString { at: 15 }),
            (r#""{{name}}": 1"#, TemplateError::InString { at: 2 }),
            (r#""a": {{name"#, TemplateError::Endless { at: 6 }),
            (r#""a": {{name}"#, TemplateError::Endless { at: 6 }),
            ("{{name}}: 1", syntax(1)),
            ("{{name}}", syntax(1)),
            (r#""a" {{name}}"#, syntax(5)),
            (r#""a": {{name}}{{name}}"#, syntax(14)),
            (r#""a": 1{{name}}"#, syntax(7)),
            (r#""a": {{name}}1"#, syntax(14)),
            (r#""a": -{{name}}"#, syntax(7)),
            (r#""a": 1,"#, syntax(8)),
            (r#"{"a": 1}"#, syntax(1)),
            (r#""a": 1}, {"b": 2"#, syntax(8)),
            (r#""a": 1} {"#, syntax(9)),
            ("name={{name}}", syntax(1)),
            ("\"a\": 1,\n\"b\" {{name}}", not_json(Problem::Syntax, 2, 5)),
            (r#""a": {{name}}, "a": 1"#, not_json(Problem::DuplicateName, 1, 21)),
            (r#""a": {"b": 1, "\u0062": {{name}}}"#, not_json(Problem::DuplicateName, 1, 25)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        assert_eq!(parse(&" ".repeat(MAX_BYTES + 1)), Err(TemplateError::TooLong));
    }

    /// What templates are made of, in any order.
    const ALMOST_A_TEMPLATE: &str = r#"("a"|"b"|[:,{}\[\]"\\ ]|\{\{name\}\}|1|null){0,12}"#;

    /// Any JSON value; numbers are whole, because reading a fraction rounds.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            r#"[{}",:\\]{0,8}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_the_values_are_the_object_has_exactly_these(name in any_json(), domain in any_json()) {
            let template = parse(r#""userName": {{name}}, "in": [{{domain}}, "}}"], "again":{{name}}"#).unwrap();
            let object = template.render(|asked| if asked == "name" { name.clone() } else { domain.clone() });
            let expected = json!({"userName": name, "in": [domain, "}}"], "again": name});
            prop_assert_eq!(json::parse(object.as_bytes()), Ok(expected));
        }

        #[test]
        fn whatever_is_taken_for_a_template_becomes_an_object(text in ALMOST_A_TEMPLATE, name in any_json()) {
            if let Ok(template) = parse(&text) {
                let object = template.render(|_| name.clone());
                prop_assert!(json::parse(object.as_bytes()).unwrap().is_object(), "{}", object);
            }
        }
    }
}
