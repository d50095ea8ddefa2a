use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Bodies that are refused, why, and at which line and column.
const MALFORMED: &[(&[u8], Problem, usize, usize)] = &[
    (b"", Problem::Truncated, 1, 1),
    (b" \n", Problem::Truncated, 2, 1),
    (b"{", Problem::Truncated, 1, 1),
    (b"{\"a\"", Problem::Truncated, 1, 4),
    (b"{\"a\":1", Problem::Truncated, 1, 6),
    (b"\"open", Problem::Truncated, 1, 5),
    (b"tru", Problem::Truncated, 1, 3),
    (b"-", Problem::Syntax, 1, 1),
    (b"\xEF\xBB\xBF{}", Problem::ByteOrderMark, 1, 1),
    (b"\xFF\xFE{\0}\0", Problem::Encoding, 1, 1),
    (b"{\0}\0", Problem::Syntax, 1, 2),
    (b"\"\xC0\xAF\"", Problem::Encoding, 1, 2),
    (b"{\n\"a\": \"\xED\xA0\x80\"}", Problem::Encoding, 2, 7),
    (b"\xC2\xA0{}", Problem::Syntax, 1, 1),
    (b"\x0B{}", Problem::Syntax, 1, 1),
    (b"{\"a\":1}}", Problem::Syntax, 1, 8),
    (b"{\"a\":1} x", Problem::Syntax, 1, 9),
    (b"{}{}", Problem::Syntax, 1, 3),
    (b"{}\0", Problem::Syntax, 1, 3),
    (b"1 2", Problem::Syntax, 1, 3),
    (b"{\"a\":1,}", Problem::Syntax, 1, 8),
    (b"[1,]", Problem::Syntax, 1, 4),
    (b"[1 2]", Problem::Syntax, 1, 4),
    (b"{\"a\" 1}", Problem::Syntax, 1, 6),
    (b"{a:1}", Problem::Syntax, 1, 2),
    (b"{'a':1}", Problem::Syntax, 1, 2),
    (b"{1:1}", Problem::Syntax, 1, 2),
    (b"{}//", Problem::Syntax, 1, 3),
    (b"/**/{}", Problem::Syntax, 1, 1),
    (b"provet_id=1", Problem::Syntax, 1, 1),
    (b"<registration/>", Problem::Syntax, 1, 1),
    (b"NaN", Problem::Syntax, 1, 1),
    (b"Infinity", Problem::Syntax, 1, 1),
    (b"-Infinity", Problem::Syntax, 1, 2),
    (b"nan", Problem::Syntax, 1, 2),
    (b"True", Problem::Syntax, 1, 1),
    (b"undefined", Problem::Syntax, 1, 1),
    (b"+1", Problem::Syntax, 1, 1),
    (b"01", Problem::Syntax, 1, 2),
    (b".5", Problem::Syntax, 1, 1),
    (b"[1.]", Problem::Syntax, 1, 4),
    (b"[1e]", Problem::Syntax, 1, 4),
    (b"[--1]", Problem::Syntax, 1, 3),
    (b"0x10", Problem::Syntax, 1, 2),
    (b"\"a\tb\"", Problem::Syntax, 1, 2),
    (b"\"a\nb\"", Problem::Syntax, 1, 2),
    (b"\"a\0b\"", Problem::Syntax, 1, 2),
    (br#""\x41""#, Problem::Syntax, 1, 3),
    (br#""\u00g0""#, Problem::Syntax, 1, 7),
    (br#""\ud800""#, Problem::LoneSurrogate, 1, 1),
    (br#"[0, "\udc00"]"#, Problem::LoneSurrogate, 1, 5),
    (b"{\"a\":\n[\"\\ud800\\u0041\"]}", Problem::LoneSurrogate, 2, 2),
    (br#"[{"\udfff": 1}]"#, Problem::LoneSurrogate, 1, 2),
    (br#"{"\ud800":1}"#, Problem::LoneSurrogate, 1, 1),
    (b" \n{\"\\ud800\":1}", Problem::LoneSurrogate, 2, 1),
    (br#"{"\ud800":1,}"#, Problem::Syntax, 1, 13),
    (br#"{"\ud800":1"#, Problem::Truncated, 1, 11),
    (br#"{"a":1,"a":2} x"#, Problem::Syntax, 1, 15),
    (br#"{"a":1,"a":2}"#, Problem::DuplicateName, 1, 12),
    (br#"{"a":1,"\u0061":2}"#, Problem::DuplicateName, 1, 17),
    (br#"{"\u00e9":1,"\u00E9":2}"#, Problem::DuplicateName, 1, 22),
    (br#"{"/":1,"\/":2}"#, Problem::DuplicateName, 1, 13),
    (br#"{"":1,"":1}"#, Problem::DuplicateName, 1, 10),
    (b"[{},\n{\"a\":{\"b\":1,\"b\":1}}]", Problem::DuplicateName, 2, 17),
];

#[test]
fn what_is_not_strict_json_is_refused_where_it_goes_wrong() {
    for &(body, problem, line, column) in MALFORMED {
        let case = body.escape_ascii();
        let expected = Some(Malformed { problem, line, column });
        assert_eq!(parse(body).err(), expected, "{case}");
        assert_eq!(parse_with_members(body).err(), expected, "{case}");
    }
}

#[test]
fn values_are_read_as_they_are() {
    let cases = [
        ("null", Value::Null),
        (" [true, false]\r\n\t", json!([true, false])),
        (r#""\ud83d\ude00 \u0061\/\u0000""#, json!("😀 a/\0")),
        ("\"\u{2028}\u{feff}\"", json!("\u{2028}\u{feff}")),
        (r#"{"a":{"a":[{"a":1},{"a":1}]},"A":2}"#, json!({"a":{"a":[{"a":1},{"a":1}]},"A":2})),
        ("[0, -0, 1.5, 18446744073709551615]", json!([0, -0.0, 1.5, u64::MAX])),
        ("[1e400, -1e400, 1e-400]", json!([f64::MAX, f64::MIN, 0.0])),
    ];
    for (body, value) in cases {
        assert_eq!(parse(body.as_bytes()), Ok(value), "{body}");
    }
}

#[test]
fn members_keep_their_order_and_lexemes() {
    let (_, members) = parse_with_members(br#" {"b": 1.50, "\u0061": [1 ]} "#).unwrap();
    let members: Vec<_> = members.iter().map(|(name, raw)| (name.as_ref(), raw.get())).collect();
    assert_eq!(members, [("b", "1.50"), ("a", "[1 ]")]);
}

#[test]
fn what_is_no_object_has_no_members() {
    for body in ["null", "[]", r#""{}""#, "1"] {
        assert_eq!(parse_with_members(body.as_bytes()).unwrap().1.len(), 0, "{body}");
    }
}

#[test]
fn nesting_is_bounded() {
    let arrays = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth| format!("{}0{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let too_deep = |column| Err(Malformed { problem: Problem::TooDeep, line: 1, column });
    let column_in_objects = 5 * MAX_DEPTH + 1;
    for depth in [1, MAX_DEPTH, MAX_DEPTH + 1, 20_000] {
        let fits = depth <= MAX_DEPTH;
        let (array, object) = (arrays(depth), objects(depth));
        let (array, object) = (parse(array.as_bytes()), parse_with_members(object.as_bytes()));
        assert!(if fits { array.is_ok() } else { array == too_deep(MAX_DEPTH + 1) }, "{depth}");
        let object = object.map(|(value, _)| value);
        assert!(if fits { object.is_ok() } else { object == too_deep(column_in_objects) }, "{depth}");
    }
    let unclosed = parse("[".repeat(40_960).as_bytes());
    assert_eq!(unclosed.map_err(|e| e.problem), Err(Problem::Truncated));
}

#[test]
fn a_refusal_reads_as_a_sentence() {
    let error = parse(br#"{"a":1,"a":2}"#).unwrap_err();
    assert_eq!(error.to_string(), "an object holds the same name twice (line 1, column 12)");
}

#[test]
fn integers_are_read_from_every_spelling() {
    let cases = [
        ("0", 0),
        ("-0", 0),
        ("-0.0e-0", 0),
        ("0e99999999999999999999999", 0),
        ("0.000e-99999999999999999999999", 0),
        ("1234", 1234),
        ("-1234", -1234),
        ("1234.0", 1234),
        ("1.234e3", 1234),
        ("1.234E+3", 1234),
        ("12340e-1", 1234),
        ("0.0001234e7", 1234),
        ("1234000000000000000000000000e-24", 1234),
        ("1e00000000000000000000000000003", 1000),
        ("9007199254740991", 9_007_199_254_740_991),
        ("9007199254740991.0", 9_007_199_254_740_991),
        ("-9007199254740991.000e0", -9_007_199_254_740_991),
        ("0.9007199254740991e16", 9_007_199_254_740_991),
        ("9e15", 9_000_000_000_000_000),
    ];
    for (lexeme, expected) in cases {
        assert_eq!(integer(lexeme), Ok(expected), "{lexeme}");
    }
}

#[test]
fn other_numbers_are_no_integers() {
    use NotAnInteger::{Fraction, NotANumber, TooLarge};
    let cases = [
        ("1.5", Fraction),
        ("-0.1", Fraction),
        ("1e-1", Fraction),
        ("1e-400", Fraction),
        ("1234e-99999999999999999999999", Fraction),
        ("9007199254740991.5", Fraction),
        ("0.123456789012345678901234567890", Fraction),
        ("1234.0000000000000000000000000000000001", Fraction),
        ("9007199254740992", TooLarge),
        ("-9007199254740992", TooLarge),
        ("9007199254740993.0", TooLarge),
        ("9007199254740991e1", TooLarge),
        ("18446744073709551616", TooLarge),
        ("1e16", TooLarge),
        ("1e400", TooLarge),
        ("-1e99999999999999999999999", TooLarge),
        ("1e9223372036854775807", TooLarge),
        ("10e9223372036854775807", TooLarge),
        ("", NotANumber),
        ("-", NotANumber),
        ("+1", NotANumber),
        ("01", NotANumber),
        ("1.", NotANumber),
        (".1", NotANumber),
        ("1e", NotANumber),
        ("1e+", NotANumber),
        ("1e1.5", NotANumber),
        ("1.5.5", NotANumber),
        ("--1", NotANumber),
        ("1e--1", NotANumber),
        (" 1", NotANumber),
        ("١", NotANumber),
        ("0x10", NotANumber),
        ("\"1\"", NotANumber),
        ("null", NotANumber),
        ("[1]", NotANumber),
    ];
    for (lexeme, expected) in cases {
        assert_eq!(integer(lexeme), Err(expected), "{lexeme}");
    }
}

/// Any JSON value.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// What JSON is made of, and some things that it is not.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"a\"",
    "\"\\u0061\"",
    "\"\\ud800\"",
    "1",
    "-",
    "0",
    ".5",
    "e9",
    "1e400",
    "null",
    "true",
    " ",
    "\n",
    "\\",
    "\0",
    "é",
    "{\"a\":",
];

/// Text that is almost JSON.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(&PIECES[..]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_json_value_is_read(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(parse(text.as_bytes()), Ok(serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn nothing_is_read_that_another_reader_refuses(text in almost_json()) {
        let ours = parse(text.as_bytes());
        prop_assert_eq!(&ours, &parse_with_members(text.as_bytes()).map(|(value, _)| value));
        let theirs = serde_json::from_str::<Value>(&text);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
            (Ok(_), Err(error)) => prop_assert!(text.contains("1e400"), "{}", error),
            (Err(refused), Ok(_)) => prop_assert_eq!(refused.problem, Problem::DuplicateName),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn an_integer_is_the_same_however_its_point_is_moved(
        number in -MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER,
        point in 1_usize..16,
        zeros in 0_usize..400,
    ) {
        let digits = number.unsigned_abs().to_string();
        let sign = if number < 0 { "-" } else { "" };
        let point = point.min(digits.len());
        let (whole, fraction) = digits.split_at(point);
        let (padding, exponent) = ("0".repeat(zeros), fraction.len());
        let moved_left = format!("{sign}{whole}.{fraction}{padding}0e{exponent}");
        let moved_right = format!("{sign}{digits}{}e-{zeros}", if number == 0 { "" } else { &padding });
        prop_assert_eq!(integer(&moved_left), Ok(number), "{}", moved_left);
        prop_assert_eq!(integer(&moved_right), Ok(number), "{}", moved_right);
    }

    #[test]
    fn a_fraction_is_never_an_integer(whole in 0_u64.., fraction in 1_u64.., exponent in -400..=0) {
        let lexeme = format!("{whole}.{fraction}1e{exponent}");
        prop_assert_eq!(integer(&lexeme), Err(NotAnInteger::Fraction), "{}", lexeme);
    }
}
