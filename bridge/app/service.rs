//! What the service manager is told: ready, alive, stopping. Silence where there is none.
//!
//! The protocol of `sd_notify`, which is a datagram of words to the socket named by `NOTIFY_SOCKET`: too little for a
//! crate. Ready means that every feed listens. Alive is said only while the store's writers answer, so that a disk
//! that hangs ends in a restart and not in a program that looks well.

use crate::store::Store;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// The service manager, as far as there is one.
#[derive(Clone, Debug, Default)]
pub struct Manager {
    socket: Option<SocketAddr>,
    /// It ends us when it has not heard of us for so long.
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names.
    pub fn of_environment() -> Self {
        Self::named(|name| std::env::var(name).ok())
    }

    fn named(variable: impl Fn(&str) -> Option<String>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let period = variable("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let watchdog = period.filter(|period| ours && *period > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Says it. A manager that cannot be told will find out by itself.
    pub fn say(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        let sent = UnixDatagram::unbound().and_then(|from| from.send_to_addr(words.as_bytes(), socket));
        if let Err(error) = sent {
            warn!(%error, "The service manager could not be told.");
        }
    }

    /// Says that we are alive, for as long as every facility's writers answer, until the shutdown.
    pub async fn watch(self, store: Arc<Store>, shutdown: CancellationToken) {
        let Some(period) = self.watchdog else { return };
        // Twice in a period, so that one word may be late.
        let pause = period / 2;
        loop {
            let store = store.clone();
            let answers = tokio::task::spawn_blocking(move || {
                let facilities = store.facilities();
                facilities.iter().all(|facility| facility.answers(period))
            });
            // Writers that are stuck are waited for, and nothing is said meanwhile.
            tokio::select! {
                () = shutdown.cancelled() => return,
                answers = answers => match answers {
                    Ok(true) => self.say("WATCHDOG=1"),
                    _ => error!("A writer of the store does not answer."),
                },
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn words_come_to_a_socket_of_either_sort() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("renkei-bridge-test-{}", std::process::id());
        let abstract_socket = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, variable) in [
            (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
            (UnixDatagram::bind_addr(&abstract_socket).unwrap(), format!("@{name}")),
        ] {
            let manager = Manager::named(|name| (name == "NOTIFY_SOCKET").then(|| variable.clone()));
            manager.say("READY=1");
            assert_eq!(heard(&socket), "READY=1");
            assert_eq!(manager.watchdog, None);
        }
        // Nobody listens, and nobody is there: no harm.
        Manager::named(|_| Some("/nowhere/at/all".into())).say("READY=1");
        Manager::default().say("READY=1");
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let with = |pid: Option<String>| {
            Manager::named(|name| match name {
                "WATCHDOG_USEC" => Some("60000000".into()),
                "WATCHDOG_PID" => pid.clone(),
                _ => None,
            })
            .watchdog
        };
        assert_eq!(with(None), Some(Duration::from_secs(60)));
        assert_eq!(with(Some(std::process::id().to_string())), Some(Duration::from_secs(60)));
        assert_eq!(with(Some("1".into())), None);
    }
}
