//! Clusters of the vendor: each has a connection, channels and shapes of events of its own.

/// A cluster that tape follows. The others of the vendor carry no trades that the contract knows (forex: quotes only).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cluster {
    /// US stocks: `T`, `A`, `AM`.
    Stocks,
    /// Crypto currencies: `XT`, `XAS`, `XA`.
    Crypto,
}

impl Cluster {
    /// By the index of their feeds.
    pub(crate) const ALL: [Self; 2] = [Self::Stocks, Self::Crypto];

    /// Last part of the address, and the name in logs and labels of metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stocks => "stocks",
            Self::Crypto => "crypto",
        }
    }
}
