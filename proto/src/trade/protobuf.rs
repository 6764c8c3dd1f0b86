//! A trade as the protobuf message `tape.v1.Trade`.

use std::borrow::Cow;

use prost::Message;

use super::PriceEligibility;
use super::check::Values;
use super::reject::{Field, Reject};
use crate::messages;

/// Reads the fields of a message; no limit is checked yet.
pub(super) fn read(value: &[u8]) -> Result<Values<'static>, Reject> {
    let message =
        messages::Trade::decode(value).map_err(|error| Reject::BadProtobuf { detail: error.to_string() })?;
    Ok(Values {
        price: message.price.map(i128::from),
        size: message.size_low.map(|low| messages::join(message.size_high, low)),
        timestamp: message.timestamp,
        high: message.high.map(i128::from),
        low: message.low.map(i128::from),
        open: message.open.map(i128::from),
        vwap: message.vwap.map(i128::from),
        price_eligibility: price_eligibility(message.price_eligibility)?,
        volume_eligible: message.volume_eligible,
        // Proto3 does not tell an empty string from an absent one.
        symbol: Some(message.symbol).filter(|symbol| !symbol.is_empty()).map(Cow::Owned),
    })
}

fn price_eligibility(number: i32) -> Result<Option<PriceEligibility>, Reject> {
    match messages::PriceEligibility::try_from(number) {
        Ok(messages::PriceEligibility::Unspecified) => Ok(None),
        Ok(messages::PriceEligibility::None) => Ok(Some(PriceEligibility::None)),
        Ok(messages::PriceEligibility::Price) => Ok(Some(PriceEligibility::Price)),
        Ok(messages::PriceEligibility::Last) => Ok(Some(PriceEligibility::Last)),
        Err(_) => Err(Reject::malformed(Field::PriceEligibility, &number.to_string())),
    }
}
