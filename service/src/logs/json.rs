//! One event as one JSON object: `time`, `level`, `target`, `message`, then the fields of the event and of the
//! spans around it (the innermost wins), all on one level. A field that is called like one of the four is written
//! with a trailing underscore.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The shape of JSON log lines.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                if let Some(text) = span.extensions().get::<FormattedFields<N>>() {
                    fields.extend_from_span(&text.fields);
                }
            }
        }
        event.record(&mut fields);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let target = fields.log_target.as_deref().unwrap_or(event.metadata().target());
        let head = [
            ("time", time.as_str()),
            ("level", event.metadata().level().as_str()),
            ("target", target),
            ("message", fields.message.as_str()),
        ];
        let separators = std::iter::once('{').chain(std::iter::repeat(','));
        for ((name, value), separator) in head.into_iter().zip(separators) {
            write!(writer, "{separator}\"{name}\":{}", Value::from(value))?;
        }
        for (name, value) in &fields.others {
            write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "}}")
    }
}

/// The fields of an event, taken apart.
#[derive(Default)]
struct Fields {
    message: String,
    /// The true target of a record that came through the `log` facade.
    log_target: Option<String>,
    others: Map<String, Value>,
}

impl Fields {
    fn extend_from_span(&mut self, json: &str) {
        if let Ok(Value::Object(fields)) = serde_json::from_str(json) {
            for (name, value) in fields {
                self.insert(&name, value);
            }
        }
    }

    fn insert(&mut self, name: &str, value: Value) {
        let name = match name {
            "time" | "level" | "target" => format!("{name}_"),
            _ => name.strip_prefix("r#").unwrap_or(name).to_owned(),
        };
        self.others.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "log.target" => self.log_target = Some(value.to_owned()),
            // Where in librdkafka's wrapper a line was made helps nobody.
            "log.module_path" | "log.file" | "log.line" => {}
            name => self.insert(name, value.into()),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() != "log.line" {
            self.insert(field.name(), value.into());
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.insert(field.name(), value.to_string().into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.insert(field.name(), value.to_string().into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no NaN and no infinity.
        let number = serde_json::Number::from_f64(value);
        self.insert(field.name(), number.map_or_else(|| value.to_string().into(), Value::Number));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.record_str(field, &text);
    }
}
