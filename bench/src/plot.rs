//! Bars as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::drawing::IntoDrawingArea;
use plotters::element::{Rectangle, Text};
use plotters::prelude::{Color, RGBColor, SVGBackend, TextStyle, WHITE};
use plotters::style::{IntoFont, IntoTextStyle};

use crate::results::Spread;

const WIDTH: i32 = 1_000;
const LINE: i32 = 26;
/// Where bars begin and the longest ends, pixels.
const LEFT: i32 = 420;
const RIGHT: i32 = 900;
const TOP: i32 = 44;
const OURS: RGBColor = RGBColor(31, 119, 180);
const OTHERS: RGBColor = RGBColor(150, 150, 150);
const INK: RGBColor = RGBColor(40, 40, 40);

/// One bar: its name, its value over the rounds, and whether it is tape's.
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Spread,
    pub(crate) ours: bool,
}

/// Draws the bars below each other, each with its value and a thin line from its smallest to its largest.
pub(crate) fn bars(path: &Path, title: &str, bars: &[Bar<'_>]) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| anyhow!("draw {}: {error}", path.display());
    let height = TOP + LINE * i32::try_from(bars.len())? + 16;
    let size = (WIDTH.cast_unsigned(), height.cast_unsigned());
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let style = |pixels: i32| -> TextStyle<'static> { ("sans-serif", pixels).into_font().color(&INK) };
    let text = |text: &str, at: (i32, i32), pixels: i32| {
        let element = Text::new(text.to_owned(), at, style(pixels).into_text_style(&area));
        area.draw(&element).map_err(|error| failed(&error))
    };
    text(title, (10, 12), 18)?;
    let longest = bars.iter().map(|bar| bar.value.max).fold(f64::MIN_POSITIVE, f64::max);
    let at = |value: f64| LEFT + (f64::from(RIGHT - LEFT) * value / longest).round() as i32;
    for (number, bar) in bars.iter().enumerate() {
        let y = TOP + LINE * i32::try_from(number)?;
        text(bar.name, (10, y + 4), 13)?;
        let Spread { median, min, max } = bar.value;
        let colour = if bar.ours { OURS } else { OTHERS };
        for (corners, colour) in [
            ([(LEFT, y), (at(median), y + LINE - 8)], colour),
            ([(at(min), y + LINE / 2 - 5), (at(max), y + LINE / 2 - 4)], INK),
        ] {
            let bar = Rectangle::new(corners, colour.filled());
            area.draw(&bar).map_err(|error| failed(&error))?;
        }
        text(&format!("{median:.2}"), (at(max) + 6, y + 4), 13)?;
    }
    area.present().map_err(|error| failed(&error))
}
