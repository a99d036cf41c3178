//! Numbers as they are written, compared exactly: any number of digits, no rounding, no memory.

use std::cmp::Ordering;

/// A decimal number: slices of its text.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a> {
    is_negative: bool,
    /// Digits before the point and behind it.
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// Digits of an exponent: a larger one is no number that anything writes.
const EXPONENT_DIGITS_MAX: usize = 9;

impl<'a> Number<'a> {
    /// Reads `-12.50e3`; a plus sign, and a point at either end, are taken, as PostgreSQL does.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (is_negative, rest) = match text.first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (whole, rest) = digits(rest);
        let (fraction, rest) = rest.strip_prefix(b".").map_or((&b""[..], rest), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest.split_first() {
            None => 0,
            Some((b'e' | b'E', rest)) => {
                let (sign, rest) = match rest.split_first()? {
                    (b'-', rest) => (-1, rest),
                    (b'+', rest) => (1, rest),
                    _ => (1, rest),
                };
                let (digits, rest) = digits(rest);
                if digits.is_empty() || digits.len() > EXPONENT_DIGITS_MAX || !rest.is_empty() {
                    return None;
                }
                sign * digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
            }
            Some(_) => return None,
        };
        Some(Self { is_negative, whole, fraction, exponent })
    }

    /// All digits, from the first one that is not zero.
    fn significant(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.whole.iter().chain(self.fraction).copied().skip_while(|digit| *digit == b'0')
    }

    /// How many places the first digit that is not zero stands before the point; none for zero.
    fn magnitude(&self) -> Option<i64> {
        let zeros = self.whole.iter().chain(self.fraction).take_while(|digit| **digit == b'0').count();
        let all = self.whole.len() + self.fraction.len();
        let place = i64::try_from(self.whole.len()).ok()? - i64::try_from(zeros).ok()?;
        (zeros < all).then_some(place + self.exponent)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.magnitude().is_none()
    }

    /// Its sign: 0 for zero.
    fn sign(&self) -> i8 {
        match (self.magnitude(), self.is_negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    fn compare_size(&self, other: &Self) -> Ordering {
        let by_place = self.magnitude().cmp(&other.magnitude());
        if by_place != Ordering::Equal {
            return by_place;
        }
        let (mut left, mut right) = (self.significant(), other.significant());
        loop {
            let pair = (left.next(), right.next());
            if pair == (None, None) {
                return Ordering::Equal;
            }
            let by_digit = pair.0.unwrap_or(b'0').cmp(&pair.1.unwrap_or(b'0'));
            if by_digit != Ordering::Equal {
                return by_digit;
            }
        }
    }

    /// The same for numbers that are equal, however they are written: sign, place and digits, given to `take` byte by byte.
    pub(super) fn canonical(&self, mut take: impl FnMut(u8)) {
        let Some(place) = self.magnitude() else { return take(b'0') };
        take(if self.is_negative { b'-' } else { b'+' });
        place.to_be_bytes().into_iter().for_each(&mut take);
        // Zeros at the end say nothing.
        let mut zeros = 0;
        for digit in self.significant() {
            if digit == b'0' {
                zeros += 1;
                continue;
            }
            (0..std::mem::take(&mut zeros)).for_each(|_| take(b'0'));
            take(digit);
        }
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number<'_> {}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.sign();
        sign.cmp(&other.sign()).then_with(|| match sign {
            0 => Ordering::Equal,
            1 => self.compare_size(other),
            _ => other.compare_size(self),
        })
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number<'_> {
        Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn numbers_are_compared_exactly_whatever_their_length() {
        let rising = [
            "-1e400",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-0.1",
            "0",
            "1e-400",
            "0.00009",
            "0.1",
            "0.10000000000000000001",
            "1",
            "99.999",
            "100",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775808",
            "12345678901234567890123456789012345678901",
            "1e400",
        ];
        for (place, left) in rising.iter().enumerate() {
            for (other, right) in rising.iter().enumerate() {
                assert_eq!(number(left).cmp(&number(right)), place.cmp(&other), "{left} {right}");
            }
        }
        for same in [
            &["0", "-0", "0.000", "0e9", "+0"][..],
            &["100", "1e2", "100.00", "0100", "+100.", "10.0E+1", "1000e-1"],
            &["-.5", "-0.50", "-5e-1"],
        ] {
            let canonical = |text: &str| {
                let mut out = Vec::new();
                number(text).canonical(|byte| out.push(byte));
                out
            };
            for (left, right) in same.iter().zip(&same[1..]) {
                assert_eq!(number(left), number(right));
                assert_eq!(canonical(left), canonical(right), "{left} {right}");
            }
        }
        for none in ["", "-", ".", "1.2.3", "1e", "e5", "0x1", "NaN", "Infinity", "1 ", "1e9999999999", "--1"] {
            assert!(Number::parse(none.as_bytes()).is_none(), "{none}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_ordered_as_numbers_are(left in any::<i128>(), right in any::<i128>(), zeros in 0usize..4) {
            let (a, b) = (format!("{left}.{}", "0".repeat(zeros)), right.to_string());
            prop_assert_eq!(number(&a).cmp(&number(&b)), left.cmp(&right));
        }

        #[test]
        fn any_bytes_are_read_without_harm(text in "[-+0-9.eE]{0,12}", other in "[-+0-9.eE]{0,12}") {
            if let (Some(left), Some(right)) = (Number::parse(text.as_bytes()), Number::parse(other.as_bytes())) {
                prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
            }
        }
    }
}
