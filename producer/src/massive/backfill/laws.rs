//! Laws, whatever gaps, pages, repetitions and failures happen.
//!
//! A small market plays on one clock, which is event time too: trades reach a connection that is up a moment after they happened, and
//! the REST interface has them at once.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::massive::decode::Kind;
use crate::venue::Identity;

const STEP: i64 = 50;
/// No trade happens after this time.
const LAST: i64 = 60_000;
/// Later, everything must be done.
const END: i64 = 40_000_000;
const SYMBOLS: [&str; 2] = ["AAA", "BB.B"];

#[derive(Debug, Clone, Copy)]
struct Trade {
    time: i64,
    symbol: usize,
    /// From the trade to its arrival.
    latency: i64,
}

#[derive(Debug, Clone)]
struct World {
    /// By time; the index is the number of a trade.
    trades: Vec<Trade>,
    /// When the connection is down: from, to; in order.
    outages: Vec<(i64, i64)>,
    page_rows: usize,
    /// A page begins with so many rows of the one before.
    repeated: usize,
    /// What the calls get, over and over; `None`: the page.
    failures: Vec<Option<Answer>>,
    calls_per_minute: u32,
    hold: i64,
}

#[derive(Debug, Default)]
struct Run {
    /// Time, symbol, number.
    published: Vec<(i64, String, usize)>,
    /// When each trade was heard.
    heard: BTreeMap<usize, i64>,
    calls: Vec<i64>,
    figures: Figures,
}

impl World {
    fn run(&self) -> Run {
        let mut plan = Plan::new(Settings {
            calls_per_minute: self.calls_per_minute,
            hold: duration(self.hold),
            hold_bytes: 1 << 20,
        });
        let channels: BTreeSet<String> = SYMBOLS.iter().map(|symbol| format!("T.{symbol}")).collect();
        let mut arrivals: Vec<(i64, usize)> = self
            .trades
            .iter()
            .enumerate()
            .map(|(number, trade)| (trade.time + trade.latency, number))
            .collect();
        arrivals.sort_unstable();
        let (mut arrivals, mut outages) = (arrivals.into_iter().peekable(), self.outages.iter().peekable());
        let (mut run, mut heard, mut asked) = (Run::default(), 0, None);
        for now in (0..END).step_by(STEP as usize) {
            while let Some((down, up)) = outages.next_if(|(_, up)| *up <= now) {
                plan.gap(Cluster::Stocks, (heard.min(*down), *up), &channels, duration(now));
                // The acknowledgement that ends a gap is a frame, too.
                heard = *up;
            }
            while let Some((time, number)) = arrivals.next_if(|(time, _)| *time <= now) {
                if self.outages.iter().any(|(down, up)| (*down..*up).contains(&time)) {
                    continue;
                }
                heard = time;
                run.heard.insert(number, now);
                self.hear(&mut plan, number, now, &mut run);
            }
            if let Some(call) = asked.take() {
                plan.answer(self.answer(&call, run.calls.len(), now), duration(now));
            }
            plan.pass(duration(now));
            if let Some(call) = plan.call(duration(now)) {
                run.calls.push(now);
                asked = Some(call);
            }
            run.take(&mut plan, now);
            let is_over = now > LAST + 10_000 && outages.peek().is_none() && arrivals.peek().is_none();
            if is_over && asked.is_none() && plan.figures(duration(now)).pending == 0 {
                break;
            }
        }
        run.figures = plan.figures(duration(END));
        run
    }

    fn hear(&self, plan: &mut Plan, number: usize, now: i64, run: &mut Run) {
        let Trade { time, symbol, .. } = self.trades[number];
        let value = number.to_string();
        let event = Event {
            cluster: Cluster::Stocks,
            symbol: SYMBOLS[symbol],
            event_time: time,
            identity: self.identity(number),
            value: value.as_bytes(),
        };
        let pass = plan.live(&event, duration(now));
        run.take(plan, now);
        if pass == Pass::Now {
            run.published.push((now, event.symbol.to_owned(), number));
        }
    }

    fn identity(&self, number: usize) -> Identity {
        let Trade { time, symbol, .. } = self.trades[number];
        Identity::by_sequence(Kind::T, SYMBOLS[symbol], time, &number.to_string())
    }

    /// The path is what the plan asks for, or `symbol from to skip` of a next page.
    fn answer(&self, call: &Call, count: usize, now: i64) -> Answer {
        if let Some(Some(failure)) = self.failures.get(count % self.failures.len().max(1)) {
            return failure.clone();
        }
        let numbers: Vec<i64> =
            call.path.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
        let is_first = call.path.starts_with("/v3/trades/");
        let (from, to, skip) = if is_first {
            (numbers[1] / 1_000_000, numbers[2] / 1_000_000, 0)
        } else {
            (numbers[0], numbers[1], numbers[2] as usize)
        };
        let is_asked = |(_, trade): &(usize, &Trade)| {
            SYMBOLS[trade.symbol] == call.symbol && (from..to).contains(&trade.time) && trade.time <= now
        };
        let all: Vec<usize> =
            self.trades.iter().enumerate().filter(is_asked).map(|(number, _)| number).collect();
        let end = (skip + self.page_rows).min(all.len());
        let rows = all[skip.saturating_sub(self.repeated)..end].iter().map(|number| Row {
            identity: self.identity(*number),
            event_time: self.trades[*number].time,
            nanos: self.trades[*number].time * 1_000_000,
            sequence: *number as i64,
            value: number.to_string().into_bytes(),
        });
        let next = (end < all.len()).then(|| format!("{from} {to} {end}"));
        Answer::Page(Page { rows: rows.collect(), skipped: 0, next })
    }
}

impl Run {
    fn take(&mut self, plan: &mut Plan, now: i64) {
        while let Some(effect) = plan.effect() {
            if let Effect::Publish(record) = effect {
                let number = String::from_utf8(record.value).unwrap().parse().unwrap();
                self.published.push((now, record.symbol, number));
            }
        }
    }
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(ms.cast_unsigned())
}

fn trades(latency: impl Strategy<Value = i64> + Clone) -> impl Strategy<Value = Vec<Trade>> {
    let trade = (0..LAST, 0..SYMBOLS.len(), latency);
    proptest::collection::vec(trade, 0..300).prop_map(|mut trades| {
        trades.sort_unstable();
        trades.into_iter().map(|(time, symbol, latency)| Trade { time, symbol, latency }).collect()
    })
}

fn outages() -> impl Strategy<Value = Vec<(i64, i64)>> {
    proptest::collection::vec((1..10_000_i64, 1..10_000_i64), 0..8).prop_map(|lengths| {
        let mut time = 0;
        let mut outages = Vec::new();
        for (up, down) in lengths {
            outages.push((time + up, time + up + down));
            time += up + down;
        }
        outages
    })
}

fn failure() -> impl Strategy<Value = Option<Answer>> {
    let seconds = |seconds: u64| Some(Duration::from_secs(seconds));
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Answer::Status { code: 429, retry_after: seconds(3) })),
        1 => Just(Some(Answer::Status { code: 500, retry_after: None })),
        1 => Just(Some(Answer::Failed("reset".to_owned()))),
    ]
}

prop_compose! {
    fn world()(
        trades in trades(0..1_500_i64),
        outages in outages(),
        page_rows in 10..40_usize,
        repeated in 0..3_usize,
        mut failures in proptest::collection::vec(failure(), 0..8),
        calls_per_minute in prop_oneof![Just(0), 5..60_u32],
        hold in 0..40_000_i64,
    ) -> World {
        failures.push(None);
        World { trades, outages, page_rows, repeated, failures, calls_per_minute, hold }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_trade_is_published_once(world in world()) {
        let run = world.run();
        prop_assert_eq!(run.figures.pending, 0);
        prop_assert_eq!((run.figures.given_up, run.figures.forgotten, run.figures.held_bytes), (0, 0, 0));
        let mut numbers: Vec<usize> = run.published.iter().map(|(_, _, number)| *number).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..world.trades.len()).collect::<Vec<_>>());
        for (_, symbol, number) in &run.published {
            prop_assert_eq!(symbol, SYMBOLS[world.trades[*number].symbol]);
        }
    }

    #[test]
    fn no_minute_has_more_calls_than_the_plan_allows(world in world()) {
        let run = world.run();
        let limit = world.calls_per_minute as usize;
        if limit > 0 {
            for calls in run.calls.windows(limit + 1) {
                prop_assert!(calls[limit] - calls[0] >= 60_000, "{:?}", calls);
            }
        }
        prop_assert_eq!(run.figures.calls, run.calls.len() as u64);
    }

    #[test]
    fn nothing_is_held_longer_than_allowed(world in world()) {
        let run = world.run();
        for (time, _, number) in &run.published {
            if let Some(heard) = run.heard.get(number) {
                prop_assert!(time - heard <= world.hold + STEP, "{} held {}", number, time - heard);
            }
        }
    }

    /// A feed that keeps the order, and a hold that is long enough.
    #[test]
    fn a_symbol_stays_in_order(
        world in world(),
        trades in trades(Just(100_i64)),
        repeated in 0..3_usize,
    ) {
        let world = World { trades, repeated, hold: END, ..world };
        let run = world.run();
        for symbol in SYMBOLS {
            let of_symbol = run.published.iter().filter(|(_, name, _)| name == symbol);
            let times: Vec<i64> = of_symbol.map(|(_, _, number)| world.trades[*number].time).collect();
            prop_assert!(times.is_sorted(), "{symbol}: {times:?}");
        }
    }
}
