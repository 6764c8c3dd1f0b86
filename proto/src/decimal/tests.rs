use super::*;
use proptest::prelude::*;
use serde::de::IgnoredAny;

#[test]
fn reads_decimals_exactly() {
    fn check(text: &str, nanos: i128) {
        assert_eq!(parse_nanos(text), Ok(nanos), "{text:?}");
    }
    check("0", 0);
    check("-0", 0);
    check("-0.000e5", 0);
    check("1", 1_000_000_000);
    check("175.50", 175_500_000_000);
    check("-1.25", -1_250_000_000);
    check("0.000000001", 1);
    check("1e-9", 1);
    check("1E+2", 100_000_000_000);
    check("1.5e00000000000000000000000000000000000000000000000000001", 15_000_000_000);
    check("9000000000", 9_000_000_000_000_000_000);
    check("1000000000000.000000001", 1_000_000_000_000_000_000_001);
    check("99999999999.999999999", 99_999_999_999_999_999_999);
}

#[test]
fn rounds_half_to_even() {
    fn check(text: &str, nanos: i128) {
        assert_eq!(parse_nanos(text), Ok(nanos), "{text:?}");
        assert_eq!(parse_nanos(&format!("-{text}")), Ok(-nanos), "-{text:?}");
    }
    check("0.0000000005", 0);
    check("0.00000000050000000000000000000000000000001", 1);
    check("0.0000000015", 2);
    check("0.0000000025", 2);
    check("0.00000000249999999999999999999999999", 2);
    check("0.0000000025000000000000000001", 3);
    check("0.9999999995", 1_000_000_000);
    check("5e-10", 0);
    check("6e-10", 1);
    check("15e-10", 2);
    check("9e-11", 0);
    check("9000000000.0000000004", 9_000_000_000_000_000_000);
    check("9000000000.0000000006", 9_000_000_000_000_000_001);
}

#[test]
fn any_exponent_is_cheap() {
    fn check(text: &str, expected: Result<i128, DecimalError>) {
        assert_eq!(parse_nanos(text), expected, "{text:?}");
    }
    check("1e400", Err(DecimalError::TooLarge));
    check("-1e400", Err(DecimalError::TooLarge));
    check("1e-400", Ok(0));
    check("1e999999999999", Err(DecimalError::TooLarge));
    check("1e-999999999999", Ok(0));
    check("0e99999", Ok(0));
    check("0.000e99999999999999999999999999", Ok(0));
    check("1e99999999999999999999999999999999999999999999999999999999999999", Err(DecimalError::TooLarge));
    check("0.00000000000000000000000000000000000000000000000001e50", Ok(1_000_000_000));
    check("100000000000000000000000000000000000000000000000000e-50", Ok(1_000_000_000));
}

#[test]
fn knows_the_limits_of_128_bits() {
    fn check(text: &str, expected: Result<i128, DecimalError>) {
        assert_eq!(parse_nanos(text), expected, "{text:?}");
    }
    check("170141183460469231731687303715.884105727", Ok(i128::MAX));
    check("170141183460469231731687303715.8841057274", Ok(i128::MAX));
    check("170141183460469231731687303715.8841057275", Err(DecimalError::TooLarge));
    check("-170141183460469231731687303715.884105728", Ok(i128::MIN));
    check("-170141183460469231731687303715.884105729", Err(DecimalError::TooLarge));
    // The last number of 128 bits without a sign, and a tie that would leave them.
    check("340282366920938463463374607431.768211455", Err(DecimalError::TooLarge));
    check("340282366920938463463374607431.7682114555", Err(DecimalError::TooLarge));
    check("340282366920938463463374607431.7682114559", Err(DecimalError::TooLarge));
}

#[test]
fn refuses_what_json_refuses() {
    fn check(text: &str) {
        assert_eq!(parse_nanos(text), Err(DecimalError::Syntax), "{text:?}");
    }
    for text in
        ["", "-", "+1", "01", "-01", "00", ".5", "5.", "1.e5", "1e", "1e+", "1e5.5", "--1", "1_000", "1,5"]
    {
        check(text);
    }
    for text in
        [" 1", "1 ", "1\n", "0x10", "NaN", "Infinity", "-inf", "1f", "1e5e5", "1.2.3", "١", "true", "\"1\""]
    {
        check(text);
    }
}

#[test]
fn length_is_limited() {
    fn check(text: &str, expected: Result<i128, DecimalError>) {
        assert_eq!(parse_nanos(text), expected, "{} bytes", text.len());
    }
    check(&format!("0.{}", "0".repeat(62)), Ok(0));
    check(&format!("0.{}", "0".repeat(63)), Err(DecimalError::TooLong));
    check(&"9".repeat(64), Err(DecimalError::TooLarge));
    check(&"9".repeat(900_000), Err(DecimalError::TooLong));
}

#[test]
fn writes_plain_decimals() {
    fn check(nanos: i128, text: &str) {
        assert_eq!(Nanos(nanos).to_string(), text);
    }
    check(175_500_000_000, "175.5");
    check(0, "0");
    check(-1_250_000_000, "-1.25");
    check(1, "0.000000001");
    check(-1, "-0.000000001");
    check(10_000_000_000, "10");
    check(i128::MAX, "170141183460469231731687303715.884105727");
    check(i128::MIN, "-170141183460469231731687303715.884105728");
    assert_eq!(Atto(1).to_string(), "0.000000000000000001");
    assert_eq!(Atto(-2_500_000_000_000_000_000).to_string(), "-2.5");
}

#[test]
fn doubles_are_the_nearest() {
    fn check(nanos: i128, double: f64) {
        assert_eq!(nanos_to_f64(nanos).to_bits(), double.to_bits(), "{nanos}");
    }
    check(0, 0.0);
    check(175_500_000_000, 175.5);
    check(100_000_000, 0.1);
    check(9_007_199_254_740_993, 9_007_199.254_740_993);
    check(i128::MIN, -1.701_411_834_604_692_3e29);
    assert_eq!(atto_to_f64(100_000_000_000_000_000).to_bits(), 0.1_f64.to_bits());
    assert_eq!(atto_to_f64(i128::MAX).to_bits(), 1.701_411_834_604_692_3e20_f64.to_bits());
}

/// A number in parts and the exponent as an integer.
#[derive(Debug, Clone)]
struct Parts {
    negative: bool,
    integer: String,
    fraction: String,
    exponent: i64,
}

impl Parts {
    fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let point = if self.fraction.is_empty() { "" } else { "." };
        let exponent = if self.exponent == 0 { String::new() } else { format!("e{}", self.exponent) };
        format!("{sign}{}{point}{}{exponent}", self.integer, self.fraction)
    }

    /// The slow, plain way: move the point inside the text, cut, compare and add one as one does on paper.
    fn units(&self, decimals: i64) -> Result<i128, DecimalError> {
        let mut digits = format!("{}{}", self.integer, self.fraction);
        let mut point = self.integer.len() as i64 + self.exponent + decimals;
        while point < 0 {
            digits.insert(0, '0');
            point += 1;
        }
        while (digits.len() as i64) < point {
            digits.push('0');
        }
        let (whole, rest) = digits.split_at(point as usize);
        let half = format!("5{}", "0".repeat(rest.len().max(1) - 1));
        let odd = whole.ends_with(['1', '3', '5', '7', '9']);
        let up = !rest.is_empty() && (rest > half.as_str() || rest == half && odd);
        let whole = if up { increment(whole) } else { whole.to_owned() };
        let whole = whole.trim_start_matches('0');
        if whole.is_empty() {
            return Ok(0);
        }
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{whole}").parse().map_err(|_| DecimalError::TooLarge)
    }
}

fn increment(digits: &str) -> String {
    let nines = digits.len() - digits.trim_end_matches('9').len();
    let zeros = "0".repeat(nines);
    match digits[..digits.len() - nines].chars().last() {
        None => format!("1{zeros}"),
        Some(digit) => {
            let next = char::from_digit(digit.to_digit(10).unwrap() + 1, 10).unwrap();
            format!("{}{next}{zeros}", &digits[..digits.len() - nines - 1])
        }
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    // Many fives and zeros, so that ties and borders are met.
    let fraction = prop_oneof!["[0-9]{0,30}", "[05]{0,30}", "[0-9]{8}[05]{1,20}", "[0-9]{17}[05]{1,10}"];
    let integer = prop_oneof!["0", "[1-9][0-9]{0,24}", "[1-9]0{0,24}"];
    let exponent = prop_oneof![Just(0_i64), -80..80_i64, -12..12_i64];
    (any::<bool>(), integer, fraction, exponent).prop_map(|(negative, integer, fraction, exponent)| Parts {
        negative,
        integer,
        fraction,
        exponent,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn reading_agrees_with_paper(parts in parts()) {
        let text = parts.text();
        prop_assume!(text.len() <= TEXT_MAX_BYTES);
        prop_assert_eq!(parse_nanos(&text), parts.units(9), "{}", text);
        prop_assert_eq!(parse_atto(&text), parts.units(18), "{}", text);
    }

    #[test]
    fn the_grammar_is_that_of_json(text in "[-+.eE0-9 ]{0,12}|-?[0-9]{1,3}(\\.[0-9]{0,3})?([eE][-+]?[0-9]{0,3})?") {
        let is_json = !text.contains(' ') && serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(parse_nanos(&text) != Err(DecimalError::Syntax), is_json, "{:?}", text);
    }

    #[test]
    fn any_text_gives_an_answer(text in any::<String>()) {
        let _ = parse_nanos(&text);
    }

    #[test]
    fn reading_inverts_writing(value in any::<i128>(), small in any::<i64>()) {
        for value in [value, small.into(), value >> 70] {
            prop_assert_eq!(parse_nanos(&Nanos(value).to_string()), Ok(value));
            prop_assert_eq!(parse_atto(&Atto(value).to_string()), Ok(value));
        }
    }

    #[test]
    fn doubles_are_those_of_the_text(value in any::<i128>(), shift in 0..127_u32) {
        let value = value >> shift;
        prop_assert_eq!(nanos_to_f64(value), Nanos(value).to_string().parse::<f64>().unwrap());
        prop_assert_eq!(atto_to_f64(value), Atto(value).to_string().parse::<f64>().unwrap());
    }
}
