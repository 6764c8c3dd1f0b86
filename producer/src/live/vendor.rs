//! What a connection and the publisher need of the venue that was chosen.

use std::sync::Arc;

use tape_service::{Config, Failure, Secret};

use super::backfill::Backfill;
use crate::coinbase;
use crate::massive::cluster::Cluster;
use crate::massive::conditions::Conditions;
use crate::massive::decode::Decoder;
use crate::massive::wire::Massive;
use crate::session::Dialect;
use crate::source::Venue;
use crate::venue::Decode;

/// See the head of this file.
pub(super) struct Vendor {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) key: Option<Secret>,
    /// By the index of their feed.
    pub(super) decoders: Vec<Box<dyn Decode>>,
    /// `None`: not wanted, or the venue has no past trades for us.
    pub(super) backfill: Option<Backfill>,
}

impl Vendor {
    /// # Errors
    /// No key where one is needed, a table of sale conditions that cannot be read.
    pub(super) fn new(venue: Venue, config: &Config) -> Result<Self, Failure> {
        let source = &config.source;
        match venue {
            Venue::Massive => {
                let key = source.massive_api_key.clone().ok_or_else(no_key)?;
                let conditions = Arc::new(conditions(config)?);
                let decoder = |cluster| Decoder::new(cluster, Arc::clone(&conditions), source.include_raw);
                let backfill = Backfill::new(config, key.clone(), Cluster::ALL.map(decoder));
                let decoders =
                    Cluster::ALL.map(|cluster| -> Box<dyn Decode> { Box::new(decoder(cluster)) }).into();
                Ok(Self { dialect: &Massive, key: Some(key), decoders, backfill })
            }
            Venue::Coinbase => {
                let decoder = coinbase::decode::Decoder::new(source.include_raw);
                Ok(Self {
                    dialect: &coinbase::wire::Coinbase,
                    key: None,
                    decoders: vec![Box::new(decoder)],
                    backfill: None,
                })
            }
        }
    }
}

fn no_key() -> Failure {
    Failure::Config(
        "MASSIVE_API_KEY is missing: get a key at https://massive.com/dashboard (any paid plan has second bars), or run without \
         one: --source simulate, --source replay:FILE, --source coinbase"
            .to_owned(),
    )
}

fn conditions(config: &Config) -> Result<Conditions, Failure> {
    let Some(file) = &config.source.sale_conditions_file else { return Ok(Conditions::published()) };
    let refuse = |why: String| Failure::Config(format!("SALE_CONDITIONS_FILE={}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    Conditions::parse(&text).map_err(refuse)
}
