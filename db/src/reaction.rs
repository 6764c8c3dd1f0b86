//! What to do about an error, by SQLSTATE. One table, no state.
//!
//! | reaction | SQLSTATE |
//! |---|---|
//! | [`Reaction::Retry`] | 08, 40, 53 (but the two below), 55P03, 57, 58, 25006 and 25P02, 26000, XX, connection lost, time-out, unknown |
//! | [`Reaction::Split`] | 53400, 54 |
//! | [`Reaction::Data`] | 22, 23, 44000, P0 (a trigger refused the row) |
//! | [`Reaction::Config`] | 0A, 0L, 0P, 21, 28, 3D, 3F, 42 |
//! | [`Reaction::DiskFull`] | 53100 |
//!
//! 25006 (read-only) is a retry: after a failover the next connection reaches the new primary. An unknown code is a
//! retry too: nothing is lost by waiting, and the reason stands in log and readiness.

/// What the caller of a failed statement does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// Roll back, wait, do the whole transaction again, on a new connection where this one is lost.
    Retry,
    /// Roll back and do the same work in two halves: the statement was too large for the server.
    Split,
    /// A row is at fault: find it, set it aside, go on with the others.
    Data,
    /// Stop: somebody must correct configuration, rights or schema.
    Config,
    /// Like `Retry`, slowly: somebody must make room on the server.
    DiskFull,
}

impl Reaction {
    /// Judges a five-character SQLSTATE.
    pub fn of_sqlstate(code: &str) -> Self {
        match code {
            "53100" => return Self::DiskFull,
            "53400" => return Self::Split,
            _ => {}
        }
        match code.get(..2).unwrap_or_default() {
            "54" => Self::Split,
            "22" | "23" | "44" | "P0" => Self::Data,
            "0A" | "0L" | "0P" | "21" | "28" | "3D" | "3F" | "42" => Self::Config,
            _ => Self::Retry,
        }
    }

    /// The word that metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Split => "split",
            Self::Data => "data",
            Self::Config => "config",
            Self::DiskFull => "disk_full",
        }
    }
}

/// Codes that are shown by themselves in metrics, because each has a cause and a remedy of its own; others count by their class.
pub const NAMED_SQLSTATES: [&str; 14] = [
    "25006", // read-only
    "28P01", // wrong password
    "3D000", // no such database
    "40001", // serialization failure
    "40P01", // deadlock
    "42501", // no right
    "42P01", // no such table
    "53100", // disk full
    "53200", // out of memory
    "53300", // too many connections
    "55P03", // lock not available
    "57014", // statement time-out
    "57P01", // ended by an administrator
    "57P03", // starting or stopping
];

/// A code that has a name of its own, or else its class.
pub(crate) fn label(code: &str) -> &str {
    if NAMED_SQLSTATES.contains(&code) { code } else { code.get(..2).unwrap_or("none") }
}

/// What a user can do about a SQLSTATE, where there is something to say.
pub(crate) fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => "check DB_USER and DB_PASSWORD",
        "3D000" => "check DB_NAME, or create the database",
        "42P01" | "42703" | "42883" | "3F000" => "run `tape migrate`",
        "42501" => "grant the role its rights (migrations/layout/grants.sql says which)",
        "53100" => "make room on the database server's disk",
        "53200" => "give the database server more memory or lower its max_connections",
        "53300" => "raise max_connections on the server or lower DB_POOL_MAX",
        "25006" => "the server is read-only: point DB_HOST at the primary",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_reaction() {
        let table = [
            (Reaction::Retry, "08000 08001 08003 08004 08006 08P01"),
            (Reaction::Retry, "40001 40002 40003 40P01 53000 53200 53300 55P03"),
            (Reaction::Retry, "57014 57P01 57P02 57P03 57P05 58000 58030 XX000 XX001"),
            (Reaction::Retry, "25006 25P02 26000 00000 99999"),
            (Reaction::Split, "53400 54000 54001 54011 54023"),
            (Reaction::Data, "22000 22003 22008 22021 22P02 22P05 23502 23503 23505 23514 44000 P0001"),
            (Reaction::Config, "0A000 0LP01 0P000 21000 28000 28P01 3D000 3F000"),
            (Reaction::Config, "42501 42601 42703 42804 42883 42P01 42P10"),
            (Reaction::DiskFull, "53100"),
        ];
        for (reaction, codes) in table {
            for code in codes.split(' ') {
                assert_eq!(Reaction::of_sqlstate(code), reaction, "SQLSTATE {code}");
            }
        }
    }

    #[test]
    fn a_label_is_a_named_code_or_a_class() {
        for (code, expected) in
            [("53100", "53100"), ("53400", "53"), ("22P02", "22"), ("", "none"), ("é", "é")]
        {
            assert_eq!(label(code), expected, "SQLSTATE {code}");
        }
    }

    #[test]
    fn a_text_that_is_no_sqlstate_is_a_retry() {
        for code in ["", "5", "é", "日本語"] {
            assert_eq!(Reaction::of_sqlstate(code), Reaction::Retry);
        }
    }
}
