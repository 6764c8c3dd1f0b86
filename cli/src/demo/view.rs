//! The live view: windows on top, the pipeline and the alerts below.

use std::time::{Duration, UNIX_EPOCH};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};

use super::board::Newest;
use super::screen::{Scene, count, end_to_end, seconds};
use crate::backtest::grouped;

/// Lines of the lower boxes, borders included.
const BELOW: u16 = 10;

/// Draws one frame.
pub(crate) fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    let [head, windows, below] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(4), Constraint::Length(BELOW)])
            .areas(frame.area());
    let [pipeline, alerts] = Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(below);
    draw_head(frame, head, scene);
    draw_windows(frame, windows, &scene.board.symbols);
    draw_pipeline(frame, pipeline, scene);
    draw_alerts(frame, alerts, scene);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let elapsed = scene.elapsed.as_secs();
    let clock = format!("{:02}:{:02}:{:02}", elapsed / 3600, elapsed / 60 % 60, elapsed % 60);
    let left = Line::from(format!(" tape demo  {clock}  {}", scene.phase)).bold();
    frame.render_widget(Paragraph::new(left), area);
    frame.render_widget(Paragraph::new(Line::from("q or Ctrl-C: stop in order ").right_aligned()), area);
}

fn draw_windows(frame: &mut Frame<'_>, area: Rect, symbols: &[Newest]) {
    let number = |text: String| Cell::from(Line::from(text).right_aligned());
    let heads = ["LAST", "AVERAGE", "MOVING AVG", "VOLUME"].map(|head| number(head.to_owned()));
    let head =
        [Cell::from("SYMBOL")].into_iter().chain(heads).chain(["TREND", "WINDOW UNTIL"].map(Cell::from));
    let row = |newest: &Newest| {
        Row::new([
            Cell::from(newest.symbol.clone()).bold(),
            number(price(newest.last)),
            number(price(newest.average)),
            number(price(newest.moving_average)),
            number(grouped(newest.volume.max(0.0) as u64)),
            trend(newest.side),
            Cell::from(time_of_day(newest.end)),
        ])
    };
    let widths = [
        Constraint::Min(10),
        Constraint::Length(13),
        Constraint::Length(13),
        Constraint::Length(13),
        Constraint::Length(14),
        Constraint::Length(9),
        Constraint::Length(12),
    ];
    let table = Table::new(symbols.iter().map(row), widths)
        .header(Row::new(head).add_modifier(Modifier::DIM))
        .column_spacing(2)
        .block(Block::bordered().title(" Newest window of each symbol, in PostgreSQL "));
    frame.render_widget(table, area);
}

fn draw_pipeline(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let (board, source) = (scene.board, &scene.source);
    let read = match source.bytes_total {
        0 => String::new(),
        total => format!(", {} % of the files", source.bytes_read.saturating_mul(100) / total),
    };
    let lines = [
        ("market time", market_time(source.event_time)),
        ("written", format!("{} trades{read}", grouped(source.acknowledged))),
        (
            "processed",
            format!("{} trades, {} per second", grouped(board.processed), grouped(board.rate as u64)),
        ),
        ("lag", format!("processor {}, sink {}", count(board.processor_lag), count(board.sink_lag))),
        ("commit", seconds(board.commit)),
        (
            "end to end",
            format!(
                "{}  (to the window {}, on to PostgreSQL {})",
                seconds(end_to_end(board)),
                seconds(board.to_windows),
                seconds(board.to_tables)
            ),
        ),
        ("windows closed", grouped(board.windows)),
        ("not counted", format!("{} late, {} rejected", grouped(board.late), grouped(board.rejected))),
    ];
    let text: Vec<_> = lines.iter().map(|(name, value)| Line::from(format!(" {name:15} {value}"))).collect();
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title(" Pipeline ")), area);
}

fn draw_alerts(frame: &mut Frame<'_>, area: Rect, scene: &Scene<'_>) {
    let kinds = ["breakout", "golden_cross", "death_cross", "high_volume"];
    let line = |kind: &str| {
        let count = scene.board.alerts.get(kind).copied().unwrap_or_default();
        Line::from(format!(" {:13} {:>9}", kind.replace('_', " "), grouped(count)))
    };
    let text: Vec<_> = kinds.iter().map(|kind| line(kind)).collect();
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title(" Alerts of this run ")), area);
}

fn trend(side: i16) -> Cell<'static> {
    let (text, colour) = match side {
        1.. => ("▲ bullish", Color::Green),
        0 => ("  neutral", Color::Reset),
        _ => ("▼ bearish", Color::Red),
    };
    Cell::from(text).style(Style::new().fg(colour))
}

/// A price with the decimals that matter at its size.
fn price(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 1.0 => format!("{value:.6}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn time_of_day(ms: i64) -> String {
    rfc3339(ms).get(11..19).unwrap_or_default().to_owned()
}

fn market_time(ms: i64) -> String {
    if ms == 0 { "-".to_owned() } else { rfc3339(ms).replace('T', " ").replace('Z', " UTC") }
}

/// Times of the contract end in the year 9999.
fn rfc3339(ms: i64) -> String {
    let time =
        UNIX_EPOCH + Duration::from_millis(ms.clamp(0, tape_proto::trade::EVENT_TIME_MAX).unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string()
}
