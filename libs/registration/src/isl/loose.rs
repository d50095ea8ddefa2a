//! Names compared loosely: neither case nor `_`, `-` or blanks make a difference, and a few are known by a name of ours.

/// The longest name in bytes.
const MAX_NAME: usize = 64;

/// How known modules and events are written here; ISL's products each write them in their own way.
const KNOWN: [&str; 32] = [
    "ISL_LIGHT",
    "ISL_PRONTO",
    "ISL_GROOP",
    "NEW_SESSION",
    "GET_CODE",
    "CODE",
    "START",
    "STOP",
    "END",
    "INVALID",
    "RECONNECT",
    "TERMINATED",
    "MESSAGE",
    "JOIN",
    "LEAVE",
    "SESSION_CREATE",
    "SESSION_DELETE",
    "SESSION_START",
    "SESSION_STOP",
    "SESSION_END",
    "SESSION_ACTIVE",
    "USER_CREATE",
    "USER_DELETE",
    "USER_UNDELETE",
    "USER_CREATED",
    "USER_DELETED",
    "USER_UNDELETED",
    "DOMAIN_CREATE",
    "DOMAIN_DELETE",
    "DOMAIN_CREATED",
    "DOMAIN_DELETED",
    "GROOP",
];

/// What of a name is compared.
pub(super) fn loose(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The one way in which we write the name of a module or an event; none if it is no name.
pub(super) fn normal(name: &str) -> Option<String> {
    let name = name.trim();
    let compared = loose(name);
    let is_name = (1..=MAX_NAME).contains(&compared.len()) && !name.chars().any(char::is_control);
    let known = || KNOWN.iter().find(|known| loose(known) == compared);
    is_name.then(|| known().map_or_else(|| compared.to_ascii_uppercase(), |known| (*known).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for (spellings, expected) in [
            (&["NEW SESSION", "NEWSESSION", "new_session", " New-Session "][..], Some("NEW_SESSION")),
            (&["ISL_LIGHT", "ISL_Light", "ISL Light", "isllight"], Some("ISL_LIGHT")),
            (&["GETCODE", "get code"], Some("GET_CODE")),
            (&["groop", "GROOP"], Some("GROOP")),
            (&["SessionStart", "SESSION START", "session-start"], Some("SESSION_START")),
            (&["SESSION STOP", "SESSION_STOP", "SessionStop"], Some("SESSION_STOP")),
            (&["session-end", "SESSION END", "sessionend"], Some("SESSION_END")),
            (&["Something New", "something_new"], Some("SOMETHINGNEW")),
            (&["", " ", "_", "a\nb", "a\u{0}"], None),
        ] {
            for spelling in spellings {
                assert_eq!(normal(spelling).as_deref(), expected, "{spelling:?}");
            }
        }
        assert_eq!(normal(&"x".repeat(64)).unwrap().len(), 64);
        assert_eq!(normal(&"x".repeat(65)), None);
    }

    #[test]
    fn what_is_known_is_known_under_one_name() {
        let mut compared = KNOWN.map(loose);
        compared.sort_unstable();
        assert!(compared.windows(2).all(|pair| pair[0] != pair[1]));
        for known in KNOWN {
            assert_eq!(normal(known).as_deref(), Some(known));
        }
    }
}
