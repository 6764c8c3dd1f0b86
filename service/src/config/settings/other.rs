//! Logs, health endpoints, and what is known of Grafana.

use super::Kind::{Bind, LogFilter, Whole, Word};
use super::Preset::Is;
use super::database::PORT_MAX;
use super::{Setting, open, secret};

pub(super) static SETTINGS: &[Setting] = &[
    open("LOG_LEVEL", LogFilter, Is("info"), "What is logged. Lines go to stderr."),
    open(
        "LOG_FORMAT",
        Word(&["auto", "text", "json"]),
        Is("auto"),
        "Shape of log lines; `auto` writes text on a terminal and JSON lines otherwise.",
    ),
    open("HTTP_BIND_PRODUCER", Bind, Is("127.0.0.1:9460"), "Health and metrics of `tape produce`."),
    open("HTTP_BIND_PROCESSOR", Bind, Is("127.0.0.1:9461"), "Health and metrics of `tape process`."),
    open("HTTP_BIND_SINK", Bind, Is("127.0.0.1:9462"), "Health and metrics of `tape sink`."),
    open(
        "HTTP_BIND_API",
        Bind,
        Is("127.0.0.1:9463"),
        "The REST interface, health and metrics of `tape serve`.",
    ),
    open(
        "GRAFANA_PORT",
        Whole { min: 1, max: PORT_MAX, unit: "" },
        Is("3000"),
        "Port of Grafana, for the deployment and the health check.",
    ),
    secret("GRAFANA_ADMIN_PASSWORD", "the password", "Password of Grafana's `admin`, for the deployment."),
];
