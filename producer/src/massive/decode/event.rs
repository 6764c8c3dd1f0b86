//! One element of a known kind as a trade.

use std::borrow::Cow;

use tape_proto::decimal::parse_nanos;
use tape_proto::trade::{Field, Fields, NOTIONAL_MAX, Reject, Trade};

use super::scan::{Name, Object};
use super::text::{content, integer};
use super::{Decoder, Fault, Kind};
use crate::massive::cluster::Cluster;
use crate::venue::{Decoded, Identity, checked};

/// The most conditions of one trade; the tapes carry four.
const CONDITIONS_MAX: usize = 64;

impl Decoder {
    pub(super) fn decoded<'f>(&mut self, kind: Kind, object: &Object<'f>) -> Result<Decoded<'f>, Fault> {
        let mut trade = match kind.bar_length() {
            None => self.trade(object)?,
            Some(length) => self.bar(length, object)?,
        };
        let mut unknown_conditions = 0;
        if kind == Kind::T
            && let Some(raw) = object.get(Name::C)
        {
            self.read_conditions(raw)?;
            let eligibility = self.conditions.eligibility(&self.ids, trade.event_time);
            trade.price_eligibility = eligibility.price;
            trade.volume_eligible = eligibility.volume;
            unknown_conditions = eligibility.unknown;
        }
        Ok(Decoded {
            kind: kind.name(),
            identity: identity(kind, &trade, object),
            trade,
            participant_time: object.get(Name::Pt).and_then(|raw| integer(&content(raw))),
            unknown_conditions,
            raw: self.include_raw.then_some(object.text),
        })
    }

    fn trade<'f>(&self, object: &Object<'f>) -> Result<Trade<'f>, Fault> {
        let text = |name| object.get(name).map(content);
        let symbol = self.symbol(object)?;
        let (price, size) = (text(Name::P), text(Name::Ds).or_else(|| text(Name::S)));
        let time = object.get(Name::T).map(|raw| milliseconds(raw, 0));
        let fields = Fields {
            price: price.as_deref(),
            size: size.as_deref(),
            timestamp: time.as_deref(),
            ..Fields::default()
        };
        Ok(checked(symbol, &fields)?)
    }

    /// A bar of `length` ms.
    fn bar<'f>(&self, length: i64, object: &Object<'f>) -> Result<Trade<'f>, Fault> {
        let text = |name| object.get(name).map(content);
        let symbol = self.symbol(object)?;
        let (price, size) = (text(Name::C), text(Name::Dv).or_else(|| text(Name::V)));
        let (open, high, low) = (text(Name::O), text(Name::H), text(Name::L));
        let end = object.get(Name::E).map(|raw| milliseconds(raw, -1));
        let time = end.or_else(|| object.get(Name::S).map(|raw| milliseconds(raw, length - 1)));
        let fields = Fields {
            price: price.as_deref(),
            size: size.as_deref(),
            timestamp: time.as_deref(),
            open: open.as_deref(),
            high: high.as_deref(),
            low: low.as_deref(),
            ..Fields::default()
        };
        let mut bar = checked(symbol, &fields)?;
        if let Some(raw) = object.get(Name::Vw) {
            bar.vwap = vwap(&content(raw), &bar)?;
        }
        Ok(bar)
    }

    /// The symbol, which is a string.
    fn symbol<'f>(&self, object: &Object<'f>) -> Result<Option<Cow<'f, str>>, Reject> {
        let name = match self.cluster {
            Cluster::Stocks => Name::Sym,
            Cluster::Crypto => Name::Pair,
        };
        match object.get(name) {
            Some(raw) if !raw.starts_with('"') => Err(malformed(Field::Symbol, raw)),
            raw => Ok(raw.map(content)),
        }
    }

    /// Fills in the ids of `c`: an array of integers, also in quotes.
    pub(super) fn read_conditions(&mut self, raw: &str) -> Result<(), Fault> {
        let bad = |what: &str| Fault::new("bad_conditions", format!("c is {what}"));
        self.ids.clear();
        let list = raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let list = list.ok_or_else(|| bad("not an array"))?.trim_ascii();
        if list.is_empty() {
            return Ok(());
        }
        for id in list.split(',') {
            if self.ids.len() == CONDITIONS_MAX {
                return Err(bad("a list of more than 64 conditions"));
            }
            let id = integer(&content(id.trim_ascii()));
            self.ids.push(id.ok_or_else(|| bad("not an array of integers"))?);
        }
        Ok(())
    }
}

/// A time as digits, moved by `shift` ms; what is no integer stays as it is, for [`checked`] to refuse.
fn milliseconds(raw: &str, shift: i64) -> Cow<'_, str> {
    let text = content(raw);
    if shift == 0 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    match integer(&text) {
        Some(time) => Cow::Owned(time.saturating_add(shift).to_string()),
        None => text,
    }
}

/// The VWAP of a bar: the nearest price from its low to its high.
fn vwap(text: &str, bar: &Trade<'_>) -> Result<i64, Reject> {
    let nanos = parse_nanos(text).map_err(|_| malformed(Field::Vwap, text))?;
    let vwap = if nanos <= bar.low.into() {
        bar.low
    } else {
        i64::try_from(nanos).map_or(bar.high, |vwap| vwap.min(bar.high))
    };
    // The limit that `checked` has for a VWAP that it is given.
    match bar.size.checked_mul(vwap.into()) {
        Some(..=NOTIONAL_MAX) => Ok(vwap),
        _ => Err(Reject::NotionalRange { field: Field::Vwap, value: vwap, size: bar.size }),
    }
}

fn malformed(field: Field, text: &str) -> Reject {
    Reject::Malformed { field, text: text[..text.floor_char_boundary(64)].to_owned() }
}

fn identity(kind: Kind, trade: &Trade<'_>, object: &Object<'_>) -> Identity {
    if kind.bar_length().is_some() {
        return Identity::bar(kind, trade);
    }
    let (symbol, exchange) = (&trade.symbol, object.get(Name::X));
    match (object.get(Name::I), object.get(Name::Q)) {
        (Some(id), _) => Identity::by_id(kind, symbol, exchange, object.get(Name::Trfi), id),
        (None, Some(sequence)) => Identity::by_sequence(kind, symbol, trade.event_time, sequence),
        (None, None) => Identity::by_fields(kind, trade, exchange, object.get(Name::C)),
    }
}
