//! Laws: nothing panics, decimals are exact, durations come back, the order of variables does not matter.

use proptest::prelude::*;

use super::super::parse::{self, Value};
use super::super::settings::{self, Kind, MONTH, Setting};
use super::{load, loaded};

fn any_setting() -> impl Strategy<Value = &'static Setting> {
    (0..settings::all().count()).prop_map(|at| settings::all().nth(at).expect("within the table"))
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(setting in any_setting(), text in "\\PC{0,40}|[0-9a-zA-Z.:,/-]{0,40}|.{0,20}") {
        let _ = parse::value(setting.kind, &text);
    }

    #[test]
    fn no_configuration_panics(
        pairs in prop::collection::vec((any_setting(), "[0-9]{1,6}(ms|s|m)?|[a-z:,./0-9]{0,12}"), 0..8),
        toml in "([a-z_]{1,20} = (\"[a-z0-9]{0,5}\"|[0-9.]{1,8}|\\[\\])\n){0,5}|.{0,60}",
    ) {
        // Files of secrets are left out: a random path may exist.
        let env: Vec<_> = pairs.iter().map(|(setting, text)| (setting.name, text.as_str())).collect();
        if let Err(errors) = load(&env, Some(&toml)) {
            prop_assert!(!errors.lines.is_empty());
            prop_assert!(errors.lines.iter().all(|line| !line.contains('\n')));
        }
    }

    #[test]
    fn decimals_are_exact(units in 0u64..=999_999_999_999_999_999, nanos in 0u64..1_000_000_000, zeros in 0usize..5) {
        let kind = Kind::Decimal { max: 1_000_000_000_000_000_000, unit: "" };
        let text = format!("{units}.{nanos:09}{}", "0".repeat(zeros));
        let expected = i128::from(units) * 1_000_000_000 + i128::from(nanos);
        prop_assert_eq!(parse::value(kind, &text), Ok(Value::Nanos(expected)));
    }

    #[test]
    fn durations_come_back(ms in 1u64..=MONTH) {
        let kind = Kind::Duration { min: 1, max: MONTH };
        prop_assert_eq!(parse::value(kind, &settings::Span(ms).to_string()), Ok(Value::Ms(ms)));
        prop_assert_eq!(parse::value(kind, &format!("{ms}ms")), Ok(Value::Ms(ms)));
    }

    #[test]
    fn windows_are_whole_or_refused(slide in 1u64..100, window in 1u64..200_000) {
        let (slide_text, window_text) = (format!("{slide}ms"), format!("{window}ms"));
        let result = load(&[("SLIDE_DURATION", &slide_text), ("WINDOW_DURATION", &window_text)], None);
        prop_assert_eq!(result.is_ok(), window % slide == 0 && window / slide <= 1440);
    }

    #[test]
    fn the_proposed_window_and_slide_are_accepted(slide in 1u64..100_000, window in 1u64..1_000_000) {
        let mut env =
            vec![("SLIDE_DURATION".to_owned(), format!("{slide}ms")), ("WINDOW_DURATION".to_owned(), format!("{window}ms"))];
        // Each remedy repairs one rule, and there are two.
        for _ in 0..3 {
            let pairs: Vec<_> = env.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let Err(errors) = load(&pairs, None) else { return Ok(()) };
            let (_, proposal) = errors.lines[0].rsplit_once(' ').expect("a remedy at the end");
            let (name, text) = proposal.split_once('=').expect("NAME=value");
            env.retain(|(given, _)| given != name);
            env.push((name.to_owned(), text.to_owned()));
        }
        prop_assert!(false, "the remedies do not help: {env:?}");
    }

    #[test]
    fn the_order_of_variables_does_not_matter(seed in any::<prop::sample::Index>()) {
        let mut env = vec![("APP_ID", "a"), ("WINDOW_DURATION", "10m"), ("KAFKA_TOPIC", "t"), ("DB_PASS", "x")];
        let first = loaded(&env);
        let at = seed.index(env.len());
        env.rotate_left(at);
        let second = loaded(&env);
        prop_assert_eq!((first.config, first.values, first.warnings), (second.config, second.values, second.warnings));
    }
}
