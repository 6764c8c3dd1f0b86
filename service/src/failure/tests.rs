//! Codes and words.

use anyhow::anyhow;

use super::Failure;

#[test]
fn codes_and_words() {
    let check = |failure: Failure, code: u8, words: &str| {
        assert_eq!((failure.exit_code(), failure.to_string().as_str()), (code, words));
    };
    check(Failure::Config("NAME=\"x\": no".to_owned()), 64, "NAME=\"x\": no");
    check(Failure::from(anyhow!("cause").context("effect")), 1, "effect: cause");
}

#[test]
fn a_wrapped_failure_keeps_its_kind() {
    let failure = || anyhow::Error::from(Failure::Config("no".to_owned()));
    assert_eq!(Failure::from(failure()).exit_code(), 64);
    assert_eq!(Failure::from(failure().context("while starting")).exit_code(), 64);
}
