use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Message {
    message(body.as_bytes()).unwrap_or_else(|found| panic!("{body}: {found:?}"))
}

/// What is wrong with a form, by the fields.
fn faults(body: &[u8]) -> Vec<String> {
    let found = message(body).err().unwrap_or_default();
    found.into_iter().map(|violation| violation.pointer).collect()
}

#[test]
fn names_are_compared_loosely() {
    let expected = read("MODULE=ISL_LIGHT&EVENT=NEW_SESSION&DOMAIN_ID=7&SESSIONID=s1&TIMESTAMP=1800000000");
    for body in [
        "module=ISL_Light&event=NEWSESSION&domainid=7&session_id=s1&timestamp=1800000000",
        "MODULE=isl+light&EVENT=NEW+SESSION&DOMAIN+ID=7&Session-Id=s1&TIMESTAMP=1800000000",
        "TIMESTAMP=1800000000&SESSIONID=s1&DOMAIN_ID=7&EVENT=New%20Session&MODULE=ISL%5FLIGHT&",
        "MODULE=ISL_LIGHT&MODULE=ISL_LIGHT&EVENT=NEW_SESSION&DOMAIN_ID=7&SESSIONID=s1&TIMESTAMP=1800000000",
    ] {
        let Message { identity, .. } = &expected;
        let found = read(body);
        assert_eq!(Message { identity: identity.clone(), ..found }, expected, "{body}");
    }
    assert_eq!((&*expected.module, &*expected.event), ("ISL_LIGHT", "NEW_SESSION"));
    assert_eq!(expected.sent_time, Timestamp::from_second(1_800_000_000).ok());
    assert_eq!((expected.domain_id.as_deref(), expected.session_id.as_deref()), (Some("7"), Some("s1")));
}

#[test]
fn a_chat_is_a_session_too_and_most_fields_may_be_missing() {
    let chat = read("MODULE=ISL_PRONTO&EVENT=JOIN&CHATID=c9&USER_NICK=Ann");
    assert_eq!((chat.session_id.as_deref(), chat.domain_id, chat.sent_time), (Some("c9"), None, None));
    let both = read("MODULE=groop&EVENT=x&CHATID=c9&SESSIONID=s1&DOMAIN_ID=&TIMESTAMP=");
    assert_eq!((both.session_id.as_deref(), both.domain_id), (Some("s1"), None));
    assert_eq!((&*both.module, &*both.event), ("GROOP", "X"));
}

#[test]
fn the_same_fields_in_any_order_are_the_same_message() {
    let one = read("MODULE=a&EVENT=b&X=1&Y=2").identity;
    for (body, is_same) in [
        ("Y=2&X=1&EVENT=b&MODULE=a", true),
        ("y=2&x=1&event=B&module=A", true),
        ("MODULE=a&EVENT=b&X=1&Y=3", false),
        ("MODULE=a&EVENT=b&X=1Y&=2", false),
        ("MODULE=a&EVENT=b&X=1", false),
        ("MODULE=a&EVENT=b&X=1&X=1&Y=2", false),
    ] {
        assert_eq!(read(body).identity == one, is_same, "{body}");
    }
}

#[test]
fn what_it_says_of_the_directory_is_told_with_whom_it_is_about() {
    let about = |rest: &str| read(&format!("MODULE=CP&{rest}")).facts;
    let user = |name: &str, email: Option<&str>| User { name: name.to_owned(), email: email.map(str::to_owned) };
    let (name, email) = ("%5C%5Cacme%5CAnn", "EMAIL=ann%40acme.example");
    let facts = about(&format!("EVENT=User+Create&DOMAIN_ID=7&CPUSER_ID={name}&USER_ID=9&{email}"));
    let expected = MessageFact { what: What::UserCreate, user: Some(user("\\\\acme\\Ann", Some("ann@acme.example"))) };
    assert_eq!(facts, [expected]);
    assert_eq!(user("\\\\acme\\Ann", None).compared(), user("\\\\ACME\\ann", None).compared());
    for (rest, what) in [
        ("EVENT=user_deleted&USER=ann", What::UserDelete),
        ("EVENT=USERUNDELETE&USERNAME=ann", What::UserUndelete),
        ("EVENT=DOMAIN+DELETE&DOMAIN_ID=7", What::DomainDelete),
        ("EVENT=domain_created&DOMAIN_ID=7", What::DomainCreate),
    ] {
        assert_eq!(about(rest)[0].what, what, "{rest}");
    }
    assert_eq!(about("EVENT=JOIN&CPUSER_ID=ann"), []);
}

#[test]
fn what_cannot_be_accepted_is_told_where_it_is() {
    let many = "MODULE=a&EVENT=b&".to_owned() + &"c&".repeat(999);
    let long = format!("MODULE=a&EVENT=b&DOMAIN_ID={}", "x".repeat(201));
    let cases: [(&[u8], &[&str]); 20] = [
        (b"", &["/MODULE", "/EVENT"]),
        (br#"{"EVENT":"START"}"#, &["/MODULE", "/EVENT"]),
        (b"\xff\xfe", &["/MODULE", "/EVENT"]),
        (b"EVENT=START", &["/MODULE"]),
        (b"MODULE=a&EVENT=", &["/EVENT"]),
        (b"MODULE=a&EVENT=b&EVENT=c", &["/EVENT"]),
        (b"MODULE=a&EVENT=%FF", &["/EVENT"]),
        (b"MODULE=a&EVENT=b%00", &["/EVENT"]),
        (b"MODULE=a&EVENT=b&DOMAIN_ID=%00", &["/DOMAIN_ID"]),
        (b"MODULE=a&EVENT=b&DOMAIN_ID=%ff", &["/DOMAIN_ID"]),
        (b"MODULE=a&EVENT=b&DOMAIN_ID=1&DOMAINID=2", &["/DOMAIN_ID"]),
        (b"MODULE=a&EVENT=b&SESSIONID=a%0Ab", &["/SESSIONID"]),
        (b"MODULE=a&EVENT=b&TIMESTAMP=yesterday", &["/TIMESTAMP"]),
        (b"MODULE=a&EVENT=b&TIMESTAMP=99999999999999999999", &["/TIMESTAMP"]),
        (b"MODULE=a&EVENT=b&TIMESTAMP=-1", &["/TIMESTAMP"]),
        (b"MODULE=a&EVENT=USER_CREATE", &["/CPUSER_ID"]),
        (b"MODULE=a&EVENT=USER_CREATE&CPUSER_ID=%00", &["/CPUSER_ID"]),
        (b"MODULE=a&EVENT=DOMAIN_DELETE", &["/DOMAIN_ID"]),
        (many.as_bytes(), &[""]),
        (long.as_bytes(), &["/DOMAIN_ID"]),
    ];
    for (body, expected) in cases {
        assert_eq!(faults(body), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn what_is_odd_elsewhere_is_sealed_and_not_looked_at() {
    for rest in ["X=%00", "X=%FF%FE", "%FF=1", "=", "USER_NICK=%00&MESSAGE=%F0", "TIMESTAMP=1.5"] {
        read(&format!("MODULE=a&EVENT=b&{rest}"));
    }
}

proptest! {
    #[test]
    fn no_text_that_a_database_cannot_hold_is_accepted(
        fields in prop::collection::vec(("(MODULE|EVENT|DOMAIN_ID|SESSIONID|CHATID|USER|x)", "(%00|a|%0a|USER_CREATE|%C3|%A9){0,3}"), 0..8)
    ) {
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if let Ok(message) = message(body.join("&").as_bytes()) {
            let users = message.facts.iter().filter_map(|fact| fact.user.as_ref()).map(|user| user.name.clone());
            let ids = [message.domain_id, message.session_id].into_iter().flatten();
            for text in [message.module, message.event].into_iter().chain(ids).chain(users) {
                prop_assert!(!text.contains(char::is_control) && !text.is_empty(), "{:?}", text);
            }
        }
    }

    #[test]
    fn no_violation_quotes_a_value(value in "[a-z]{20}", name in "(MODULE|EVENT|DOMAIN_ID|TIMESTAMP|SESSIONID|USER)") {
        let body = format!("{name}={value}%00&EVENT=USER_CREATE&MODULE={value}");
        for violation in message(body.as_bytes()).err().unwrap_or_default() {
            prop_assert!(!violation.detail.contains(&value) && !violation.pointer.contains(&value));
        }
    }
}
