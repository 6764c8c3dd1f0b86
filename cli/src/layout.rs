//! Options that say how CSV files are to be understood, for `produce`, `backtest` and `demo`.

use clap::Args;
use tape_producer::files::Layout;

/// How CSV files are to be understood; JSON lines need nothing.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "CSV files")]
pub(crate) struct LayoutArgs {
    /// Symbol of every line, for files without a column `symbol`
    #[arg(long, value_name = "NAME")]
    pub(crate) symbol: Option<String>,
    /// Columns that have another name in the files, as ours=theirs (`price=close,size=qty`)
    #[arg(long, value_name = "NAME=NAME", value_delimiter = ',', value_parser = renamed)]
    pub(crate) columns: Vec<(String, String)>,
    /// Take the absolute value of the size: some exchanges write a seller's as negative
    #[arg(long)]
    pub(crate) absolute_size: bool,
}

impl LayoutArgs {
    /// The same for the reader of files.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            symbol: self.symbol.clone(),
            columns: self.columns.clone(),
            absolute_size: self.absolute_size,
            ..Layout::default()
        }
    }

    /// Names of the options that were given.
    pub(crate) fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("--symbol", self.symbol.is_some()),
            ("--columns", !self.columns.is_empty()),
            ("--absolute-size", self.absolute_size),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
    }
}

fn renamed(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((ours, theirs)) if !ours.is_empty() && !theirs.is_empty() => {
            Ok((ours.to_owned(), theirs.to_owned()))
        }
        _ => Err("write ours=theirs, for example price=close".to_owned()),
    }
}
