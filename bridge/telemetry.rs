//! Logs, metrics and the panic hook: what the outside may know of this process.
//!
//! Never holds anything of a message: no names, no patient ids, no resource ids, no file names of a
//! storage. A panic is logged by its place alone, because its text might quote a value.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// The variable that holds the filter of the logs, as `tracing` writes it: `renkei_bridge=debug`.
pub const LOG_VARIABLE: &str = "RENKEI_LOG";

/// Always off: the crate logs whole messages at debug.
const SILENCED: &str = "hl7_mllp_codec=off";

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to standard error and counting; a second call changes nothing.
///
/// `default` is the filter where the environment names none: `info`, or `warn` for short commands.
pub fn start(default: &str) {
    let wanted = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(format!("{wanted},{SILENCED}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},{SILENCED}")));
    // An error means that another subscriber stands already, as in tests: it keeps its place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    start_metrics();
    install_panic_hook();
}

fn start_metrics() {
    if METRICS.get().is_none()
        && let Ok(handle) = PrometheusBuilder::new().install_recorder()
    {
        let _ = METRICS.set(handle);
    }
}

/// What `/metrics` answers; empty before [`start`].
pub fn metrics_text() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Upkeep of the metrics: to be called every few seconds, or histograms grow without bound.
pub fn upkeep() {
    if let Some(handle) = METRICS.get() {
        handle.run_upkeep();
    }
}

/// Replaces the hook that prints a panic's text: the text may quote a message, its place cannot.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let (file, line) = info.location().map_or(("", 0), |place| (place.file(), place.line()));
        tracing::error!(file, line, "The program met a fault in its own code.");
        metrics::counter!("renkei_panics_total").increment(1);
    }));
}

#[cfg(test)]
mod tests {
    use super::{metrics_text, start_metrics};

    #[test]
    fn a_counter_is_rendered() {
        start_metrics();
        metrics::counter!("renkei_test_total").increment(2);
        assert!(metrics_text().contains("renkei_test_total 2"), "{}", metrics_text());
    }
}
