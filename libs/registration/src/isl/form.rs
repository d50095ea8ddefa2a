//! Forms: `application/x-www-form-urlencoded`, as the URL Standard has it (section 5.1).

use std::borrow::Cow;

/// The most fields that are read.
pub const MAX_FIELDS: usize = 1_000;

/// A field as it was sent: bytes, since nothing says that it is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Cow<'a, [u8]>,
    /// Its value; empty without `=`.
    pub value: Cow<'a, [u8]>,
}

/// The fields of a form, in their order, and at most [`MAX_FIELDS`] and one of them. Every text is a form.
pub fn fields(body: &[u8]) -> Vec<Field<'_>> {
    let parts = body.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts.take(MAX_FIELDS + 1).map(field).collect()
}

fn field(part: &[u8]) -> Field<'_> {
    let (name, value) = match part.iter().position(|byte| *byte == b'=') {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => (part, &[][..]),
    };
    Field { name: decode(name), value: decode(value) }
}

/// `+` is a blank and `%2B` a plus; a `%` that begins no escape stands for itself.
fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    if !encoded.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(encoded);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, beyond @ ..]) => match hexadecimal(*high).zip(hexadecimal(*low)) {
                Some((high, low)) => {
                    decoded.push(high << 4 | low);
                    rest = beyond;
                }
                None => decoded.push(b'%'),
            },
            (other, _) => decoded.push(*other),
        }
    }
    Cow::Owned(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        fields(body).into_iter().map(|field| (field.name.into_owned(), field.value.into_owned())).collect()
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        type Pair = (&'static [u8], &'static [u8]);
        let cases: [(&[u8], &[Pair]); 12] = [
            (b"", &[]),
            (b"&&", &[]),
            (b"EVENT=START", &[(b"EVENT", b"START")]),
            (b"a=1&b=2&", &[(b"a", b"1"), (b"b", b"2")]),
            (b"a", &[(b"a", b"")]),
            (b"=", &[(b"", b"")]),
            (b"a=b=c", &[(b"a", b"b=c")]),
            (b"NEW+SESSION=a%2Bb", &[(b"NEW SESSION", b"a+b")]),
            (b"a=%C3%A9%00", &[(b"a", "\u{e9}\0".as_bytes())]),
            (b"a=%ff%FF", &[(b"a", b"\xff\xff")]),
            (b"a=100%&b=%4&c=%zz%41", &[(b"a", b"100%"), (b"b", b"%4"), (b"c", b"%zzA")]),
            (b"a=1;b=2", &[(b"a", b"1;b=2")]),
        ];
        for (body, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            assert_eq!(read(body), expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn no_more_is_read_than_is_needed_to_know_that_it_is_too_much() {
        assert_eq!(fields(&b"a&".repeat(5_000)).len(), MAX_FIELDS + 1);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(name in prop::collection::vec(any::<u8>(), 1..9), value: Vec<u8>) {
            let encode = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
            let body = format!("{}={}", encode(&name), encode(&value));
            prop_assert_eq!(read(body.as_bytes()), [(name, value)]);
        }

        #[test]
        fn nothing_is_too_odd_to_be_read(body: Vec<u8>) {
            let _ = read(&body);
        }
    }
}
