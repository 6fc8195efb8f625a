//! Logs, metrics and the panic hook: what the outside may know of this process.
//!
//! Never holds anything of a message: no names, no patient ids, no resource ids, no file names of a
//! storage. A panic is logged by its place alone, because its text might quote a value.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The variable that holds the filter of the logs, as `tracing` writes it: `renkei_bridge=debug`.
/// Other crates are heard from `warn` up only.
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
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // An error means that another subscriber stands already, as in tests: it keeps its place.
    let _ =
        tracing_subscriber::registry().with(filter).with(lines.with_filter(filter_fn(may_log))).try_init();
    start_metrics();
    install_panic_hook();
}

/// Crates that are not ours say what went wrong and no more, whatever the variable asks for: below that they
/// write addresses, headers and bodies, and those hold ids and names.
fn may_log(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("renkei_") || *metadata.level() <= Level::WARN
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
    use super::{install_panic_hook, may_log, metrics_text, start_metrics};
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged at trace while `work` runs.
    fn logged(work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter_fn(may_log)));
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn other_crates_are_heard_from_warnings_up() {
        let text = logged(|| {
            tracing::trace!(target: "hyper::proto", "BODY");
            tracing::info!(target: "reqwest", "ADDRESS");
            tracing::warn!(target: "rustls", "HEARD");
            tracing::trace!("OURS");
        });
        assert!(!text.contains("BODY") && !text.contains("ADDRESS"), "{text}");
        assert!(text.contains("HEARD") && text.contains("OURS"), "{text}");
    }

    #[test]
    fn a_panic_is_logged_by_its_place_and_not_by_its_words() {
        let text = logged(|| {
            let standing = std::panic::take_hook();
            install_panic_hook();
            let caught = std::panic::catch_unwind(|| panic!("金糸雀 7766550011"));
            std::panic::set_hook(standing);
            assert!(caught.is_err());
        });
        assert!(text.contains("telemetry.rs") && text.contains("fault in its own code"), "{text}");
        assert!(!text.contains("金糸雀") && !text.contains("7766550011"), "{text}");
    }

    #[test]
    fn a_counter_is_rendered() {
        start_metrics();
        metrics::counter!("renkei_test_total").increment(2);
        assert!(metrics_text().contains("renkei_test_total 2"), "{}", metrics_text());
    }
}
