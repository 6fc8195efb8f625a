//! `serve` and `rehearsal`: run until a signal says stop.

use super::open::ConfigFile;
use crate::{app, config, demo as demonstration, forward};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Runs the appliance.
pub(super) fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let config = match file.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let problems = config::environment(&config, app::now_ms() / 1_000);
    super::open::print(&problems);
    // A storage that is not mounted yet must not keep the other feeds from starting, so only what can never
    // work ends here.
    let fatal = problems
        .iter()
        .any(|problem| problem.weight == config::Weight::Error && !problem.key.ends_with(".path"));
    if fatal {
        return Ok(ExitCode::from(super::EXIT_CONFIG));
    }
    let runtime = super::runtime()?;
    let result = runtime.block_on(async {
        let stop = stopping()?;
        let app = match app::spawn(config).await {
            Ok(app) => app,
            Err(error) => return Err(error.into()),
        };
        // Every feed listens.
        let manager = app::service::Manager::of_environment();
        manager.say("READY=1");
        let watch = manager.clone().watch(app.state.store.clone(), app.shutdown());
        tokio::spawn(watch);
        stop.cancelled().await;
        manager.say("STOPPING=1");
        app.stop().await;
        Ok(ExitCode::SUCCESS)
    });
    // What is still blocked is repeated after the next start: nothing is waited for.
    runtime.shutdown_background();
    result
}

/// A token that SIGTERM and SIGINT cancel.
fn stopping() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}

/// Runs the demonstration until a signal says stop.
#[allow(clippy::print_stdout, reason = "the addresses to look at are the result of the command")]
pub(super) fn demo() -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let result = runtime.block_on(async { demonstration::run(|line| println!("{line}"), stopping()?).await });
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// The arguments of `rehearsal`.
#[derive(Debug, clap::Args)]
pub(super) struct Rehearsal {
    /// Address and port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The file of what it was asked; its content is read back at the start. In memory where none is named.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The seed of faults.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the stand-in base.
pub(super) fn rehearsal(arguments: &Rehearsal) -> anyhow::Result<ExitCode> {
    let config = forward::rehearsal::RehearsalConfig {
        journal: arguments.journal.clone(),
        seed: arguments.seed,
        ..Default::default()
    };
    super::runtime()?.block_on(async {
        let stop = stopping()?;
        forward::rehearsal::serve(arguments.listen, config, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
