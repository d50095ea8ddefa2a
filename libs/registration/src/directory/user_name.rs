//! Names of users: which texts are names, and which of them are the same.
//!
//! After the username profile of PRECIS (RFC 8265, section 3.3): neither case nor width nor composition tells names apart, and
//! what cannot be seen or stands for something else in a name is refused. Where the profile has lower case and NFC, this has
//! case folding and NFKC (Unicode's compatibility caseless matching, D146), so that more names that look alike are the same.

use caseless::Caseless;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// The longest name in characters.
pub const MAX_NAME: usize = 255;

/// The form of a name that all names have that are the same as this one; none if the text is no name.
///
/// The characters and the case folding are those of Unicode 16 for ever, whatever is newer elsewhere: a form that changed would
/// make a name that is taken free. Newer tables of composition do no harm, for those of assigned characters never change.
pub fn normalise(name: &str) -> Option<String> {
    let is_named = (1..=MAX_NAME).contains(&name.chars().count()) && name.chars().all(is_allowed);
    let folded: String = name.nfd().default_case_fold().nfkd().default_case_fold().nfkc().collect();
    (is_named && !folded.is_empty() && folded.chars().all(is_allowed)).then_some(folded)
}

/// Neither a control nor invisible, nor a space or what separates a user from its domain.
fn is_allowed(character: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned,
    };
    let category = get_general_category(character);
    !matches!(character, '\\' | '/')
        && !matches!(
            category,
            Control
                | Format
                | LineSeparator
                | ParagraphSeparator
                | PrivateUse
                | SpaceSeparator
                | Surrogate
                | Unassigned
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_tables_are_those_of_the_unicode_version_by_which_names_were_taken() {
        assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0));
        assert_eq!(caseless::UNICODE_VERSION, (16, 0, 0));
        assert_eq!(unicode_general_category::UNICODE_VERSION, (16, 0, 0));
    }

    /// These are for ever: a ledger in use holds the keyed hashes of these forms.
    #[test]
    fn a_name_has_the_form_that_it_always_had() {
        for (name, form) in [
            ("ann", "ann"),
            ("Ann.O'Neill+1@example.com", "ann.o'neill+1@example.com"),
            ("ÅNGSTRÖM", "ångström"),
            ("A\u{30a}ngstro\u{308}m", "ångström"),
            ("Straße", "strasse"),
            ("ẞ", "ss"),
            ("ΌΣΟΣ", "όσοσ"),
            ("όσος", "όσοσ"),
            ("ＡＮＮ", "ann"),
            ("ﬁle", "file"),
            ("ⅷ", "viii"),
            ("İ", "i\u{307}"),
            ("ı", "ı"),
            ("ǰ", "ǰ"),
            ("ᾳ", "αι"),
            ("Ꭰ", "Ꭰ"),
            ("ꭰ", "Ꭰ"),
            ("한글", "한글"),
            ("𞤀", "𞤢"),
            ("ｶﾞ", "ガ"),
        ] {
            assert_eq!(normalise(name).as_deref(), Some(form), "{name:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_or_separates_is_in_no_name() {
        for name in [
            "",
            " ",
            "a b",
            " a",
            "a\u{a0}b",
            "a\u{3000}b",
            "a\0b",
            "a\nb",
            "\u{7f}",
            "a\u{85}",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{ad}b",
            "\u{202e}nna",
            "a\u{2028}b",
            "\u{feff}a",
            "a\u{e000}",
            "a\u{fdd0}",
            "a\u{e0061}",
            "a\\b",
            "a/b",
            "℀",
            "a\u{ff3c}b",
            "a\u{ff0f}b",
            "\u{fdfa}",
        ] {
            assert_eq!(normalise(name), None, "{name:?}");
        }
        assert!(normalise(&"é".repeat(255)).is_some());
        assert_eq!(normalise(&"é".repeat(256)), None);
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(name in "\\PC{1,12}") {
            if let Some(form) = normalise(&name) {
                prop_assert_eq!(normalise(&form), Some(form.clone()), "{:?}", name);
            }
        }

        #[test]
        fn case_and_composition_tell_no_names_apart(name in "[a-zA-Zà-öÀ-ÖА-яα-ωΑ-Ρ]{1,12}") {
            let form = normalise(&name);
            prop_assert_eq!(&normalise(&name.to_lowercase()), &form);
            prop_assert_eq!(&normalise(&name.to_uppercase()), &form);
            prop_assert_eq!(&normalise(&name.nfd().collect::<String>()), &form);
        }
    }
}
