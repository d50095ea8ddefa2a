//! Exact integers from JSON numbers: 1234, 1234.0 and 1.234e3 are one number, and so one tenant.

/// The largest integer that every JSON reader holds exactly: 2^53 − 1 (RFC 7493, section 2.2).
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Why a JSON number is not taken as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnInteger {
    /// Not a JSON number at all.
    #[error("must be a number")]
    NotANumber,
    /// It has a fraction.
    #[error("must be an integer")]
    Fraction,
    /// Its magnitude is above [`MAX_SAFE_INTEGER`].
    #[error("must lie between -{MAX_SAFE_INTEGER} and {MAX_SAFE_INTEGER}")]
    TooLarge,
}

/// Reads the lexeme of a JSON number as the integer that it stands for, however it is written.
///
/// The arithmetic is done on the digits, since a double would round 9007199254740991.0 or
/// 1e-400; an exponent is never written out, so its size costs nothing.
///
/// # Errors
/// [`NotAnInteger`] if the number has a fraction or is not exact in a double everywhere.
pub fn integer(lexeme: &str) -> Result<i64, NotAnInteger> {
    let number = Decimal::read(lexeme).ok_or(NotAnInteger::NotANumber)?;
    let magnitude = number.magnitude()?;
    Ok(if number.negative { -magnitude } else { magnitude })
}

/// A JSON number taken apart: ± `whole` `fraction` × 10^(`exponent` − digits of `fraction`).
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// RFC 8259, section 6.
    fn read(lexeme: &'a str) -> Option<Self> {
        let unsigned = lexeme.strip_prefix('-');
        let (mantissa, exponent) = split(unsigned.unwrap_or(lexeme), &['e', 'E']);
        let (whole, fraction) = split(mantissa, &['.']);
        let canonical = whole == "0" || !whole.starts_with('0');
        if !canonical || !digits(whole) || !fraction.is_none_or(digits) {
            return None;
        }
        Some(Self {
            negative: unsigned.is_some(),
            whole,
            fraction: fraction.unwrap_or_default(),
            exponent: exponent.map_or(Some(0), saturating)?,
        })
    }

    fn magnitude(&self) -> Result<i64, NotAnInteger> {
        let fraction = self.fraction.trim_end_matches('0');
        let whole = if fraction.is_empty() { self.whole.trim_end_matches('0') } else { self.whole };
        if whole.trim_start_matches('0').is_empty() && fraction.is_empty() {
            return Ok(0);
        }
        // The last digit kept is not zero, so a negative exponent leaves a fraction.
        let shift = length(self.whole) - length(whole) - length(fraction);
        let exponent = self.exponent.saturating_add(shift);
        let exponent = u32::try_from(exponent).map_err(|_| match exponent {
            ..0 => NotAnInteger::Fraction,
            0.. => NotAnInteger::TooLarge,
        })?;
        let significant = whole.bytes().chain(fraction.bytes());
        scale(significant, exponent).ok_or(NotAnInteger::TooLarge)
    }
}

/// The number that the digits spell, times 10^exponent, if it is safe.
fn scale(mut digits: impl Iterator<Item = u8>, exponent: u32) -> Option<i64> {
    let number =
        digits.try_fold(0_i64, |number, digit| number.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?;
    let number = number.checked_mul(10_i64.checked_pow(exponent)?)?;
    (number <= MAX_SAFE_INTEGER).then_some(number)
}

fn split<'a>(text: &'a str, at: &[char]) -> (&'a str, Option<&'a str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The length of a text that is in memory: it fits.
fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// An exponent; one beyond 64 bits is as far out of reach as the largest that fits.
fn saturating(exponent: &str) -> Option<i64> {
    let (sign, unsigned) = match exponent.as_bytes() {
        [b'-', ..] => (-1, &exponent[1..]),
        [b'+', ..] => (1, &exponent[1..]),
        _ => (1, exponent),
    };
    digits(unsigned).then(|| {
        unsigned
            .bytes()
            .fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(sign * i64::from(digit - b'0')))
    })
}
