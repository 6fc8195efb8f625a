//! Where a path of the configuration leads: beside the file, or to a credential.
//!
//! `credential:NAME` is a key that the service manager hands over: `$CREDENTIALS_DIRECTORY/NAME`, or
//! `keys_NAME` there, which is what systemd calls a file of the directory that the unit loads as `keys`. Without that
//! variable, as for commands beside the service, it is `credentials/NAME` beside the configuration: the very
//! directory that the unit loads.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What a path begins with that is a credential.
const CREDENTIAL: &str = "credential:";

/// The directory of credentials beside the configuration.
const BESIDE: &str = "credentials";

/// What systemd puts before the names of a directory's files.
const LOADED: &str = "keys_";

/// The path that is meant by one written in a configuration that lies in `dir`.
pub(super) fn place(dir: &Path, written: &Path) -> PathBuf {
    resolve(dir, written, std::env::var_os("CREDENTIALS_DIRECTORY").as_deref())
}

fn resolve(dir: &Path, written: &Path, handed: Option<&OsStr>) -> PathBuf {
    let Some(name) = written.to_str().and_then(|text| text.strip_prefix(CREDENTIAL)) else {
        return dir.join(written);
    };
    // A name alone: a path in it must not lead elsewhere.
    let name = Path::new(name).file_name().unwrap_or_default();
    match handed.map(Path::new) {
        None => dir.join(BESIDE).join(name),
        Some(handed) => {
            let plain = handed.join(name);
            if plain.exists() { plain } else { handed.join(format!("{LOADED}{}", name.display())) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_looked_for_where_the_service_manager_puts_it() {
        let handed = tempfile::tempdir().unwrap();
        std::fs::write(handed.path().join("plain.key"), "").unwrap();
        let etc = Path::new("/etc/renkei-bridge");
        let check = |written: &str, with: bool, expected: PathBuf| {
            let handed = with.then(|| handed.path().as_os_str());
            assert_eq!(resolve(etc, Path::new(written), handed), expected, "{written}");
        };
        check("tls/base.pem", true, "/etc/renkei-bridge/tls/base.pem".into());
        check("/srv/base.pem", false, "/srv/base.pem".into());
        check("credential:base.key", false, "/etc/renkei-bridge/credentials/base.key".into());
        check("credential:base.key", true, handed.path().join("keys_base.key"));
        check("credential:plain.key", true, handed.path().join("plain.key"));
        check("credential:../../shadow", false, "/etc/renkei-bridge/credentials/shadow".into());
    }
}
