//! Sale conditions of stock trades: which prices a print may set, and whether its size counts.
//!
//! Each condition says for three statistics (high/low, last, volume) whether a print that carries it updates them. Per
//! statistic one "no" wins; without a condition all are "yes". The contract knows three kinds of prices:
//!
//! | high/low | last | |
//! |---|---|---|
//! | yes | yes | [`PriceEligibility::Last`] |
//! | yes | no | [`PriceEligibility::Price`] |
//! | no | any | [`PriceEligibility::None`]: whoever may set the last price may set a high, so the careful half of a contradiction holds |
//!
//! - **Form T** (12) marks nearly every print outside of regular hours. There it sets prices as if it said yes; in regular
//!   hours its rule holds. Any other condition that forbids a price still does.
//! - **An id without a known rule** sets no price and counts in the volume, and is counted. Among them are cancels and corrections
//!   (44, 46, 48, 49): a wrong high or close stays visible and may raise an alert, while most of the others are sales whose
//!   shares did change hands. Whoever knows better gives a table of his own.
//!
//! Conditions of crypto trades are sides, not these.

use tape_proto::trade::PriceEligibility;

use super::hours;

const PUBLISHED: &str = include_str!("conditions.csv");
const HEADER: &str = "id,name,updates_high_low,updates_last,updates_volume,source";

/// A trade outside of regular hours.
const FORM_T: i64 = 12;

/// What a condition lets a print update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    high_low: bool,
    last: bool,
    volume: bool,
}

impl Rule {
    const ALL: Self = Self { high_low: true, last: true, volume: true };
    const UNKNOWN: Self = Self { high_low: false, last: false, volume: true };

    const fn and(self, other: Self) -> Self {
        Self {
            high_low: self.high_low && other.high_low,
            last: self.last && other.last,
            volume: self.volume && other.volume,
        }
    }
}

/// What a print may do by all of its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Eligibility {
    pub(crate) price: PriceEligibility,
    pub(crate) volume: bool,
    /// Number of its conditions without a known rule.
    pub(crate) unknown: usize,
}

/// The rules by id, 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conditions {
    rules: Box<[Option<Rule>; 256]>,
}

impl Conditions {
    /// The table that is built in.
    pub(crate) fn published() -> Self {
        Self::parse(PUBLISHED).expect("the table that is built in can be read")
    }

    /// Reads a table: a line with the names of the six columns, then one line for each condition: id 0 to 255, yes or no for
    /// each statistic; name and source are for readers. No cell holds a comma. Empty lines are passed over.
    ///
    /// # Errors
    /// One line: the line's number, what is wrong with it, and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        if lines.next().is_none_or(|(_, line)| line.trim() != HEADER) {
            return Err(format!("line 1 is not the header of conditions; write {HEADER}"));
        }
        let mut rules = Box::new([None; 256]);
        for (number, line) in lines {
            let (id, rule) = row(line).map_err(|wrong| format!("line {number}: {wrong}"))?;
            if rules[usize::from(id)].replace(rule).is_some() {
                return Err(format!("line {number}: the condition {id} stands twice; write it once"));
            }
        }
        Ok(Self { rules })
    }

    /// What a print with these conditions may do; `event_time` in milliseconds since the Unix epoch.
    pub(crate) fn eligibility(&self, ids: &[i64], event_time: i64) -> Eligibility {
        let mut unknown = 0;
        let rule = ids.iter().fold(Rule::ALL, |all, id| {
            let known = usize::try_from(*id).ok().and_then(|id| *self.rules.get(id)?);
            unknown += usize::from(known.is_none());
            all.and(match known {
                Some(rule) if *id == FORM_T && !hours::is_regular(event_time) => {
                    Rule { volume: rule.volume, ..Rule::ALL }
                }
                known => known.unwrap_or(Rule::UNKNOWN),
            })
        });
        let price = match (rule.high_low, rule.last) {
            (true, true) => PriceEligibility::Last,
            (true, false) => PriceEligibility::Price,
            (false, _) => PriceEligibility::None,
        };
        Eligibility { price, volume: rule.volume, unknown }
    }
}

fn row(line: &str) -> Result<(u8, Rule), String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [id, _name, high_low, last, volume, _source] = cells[..] else {
        return Err(format!(
            "it has {} cells; write the six of {HEADER}, without commas in them",
            cells.len()
        ));
    };
    let id = id.parse().map_err(|_| format!("the id {id:?} is not a number from 0 to 255"))?;
    let rule = Rule { high_low: yes_or_no(high_low)?, last: yes_or_no(last)?, volume: yes_or_no(volume)? };
    Ok((id, rule))
}

fn yes_or_no(cell: &str) -> Result<bool, String> {
    match cell {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("{cell:?} is neither yes nor no")),
    }
}

#[cfg(test)]
mod tests;
