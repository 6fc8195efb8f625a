//! `backup` and `restore`: sealed copies of the store, the proof that they hold, and the way back.

use super::messages::Author;
use super::open::ConfigFile;
use crate::store::{BackupKey, restore as taken_apart};
use crate::{app, config};
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    #[command(flatten)]
    file: ConfigFile,
    /// The directory of the generations, in place of the one of `[backup]`.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    author: Author,
}

/// Makes a generation.
pub(super) fn backup(arguments: &Backup) -> anyhow::Result<ExitCode> {
    let (config, store) = match arguments.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    let mut plan = config.backup.clone();
    if arguments.to.is_some() {
        plan.to.clone_from(&arguments.to);
    }
    let made = store.backup(&plan, &config.file, app::now_ms())?;
    let name = made.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let detail = format!("{} files, {} bytes", made.files, made.bytes);
    store.audit().append(&arguments.author.who(), "backup", &name, &detail)?;
    eprintln!(
        "{}: {} files ({} unchanged since the last), {} bytes before sealing, {} old generations dropped",
        made.dir.display(),
        made.files,
        made.linked,
        made.bytes,
        made.dropped
    );
    Ok(ExitCode::SUCCESS)
}

/// The arguments of `restore`.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The configuration, for the directory and the key of the backups.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A generation, or a directory of generations, of which the newest is meant.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// The key of the backups.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The directory that the store is put into. It must be empty or absent.
    #[arg(long, value_name = "DIR", required_unless_present = "verify", conflicts_with = "verify")]
    to: Option<PathBuf>,
    /// One facility in place of all.
    #[arg(long, value_name = "CODE", conflicts_with = "verify")]
    facility: Option<String>,
    /// Prove that the backup can be restored, and restore nothing.
    #[arg(long)]
    verify: bool,
    /// Where the backup is taken apart to prove it; needs room for all of it.
    #[arg(long, value_name = "DIR", requires = "verify")]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    author: Author,
}

/// Restores, or proves that it could.
pub(super) fn restore(arguments: &Restore) -> anyhow::Result<ExitCode> {
    let config = match &arguments.config {
        None => None,
        Some(file) => match config::load(file) {
            Ok((config, _)) => Some(config),
            Err(problems) => {
                super::open::print(&problems);
                return Ok(ExitCode::from(super::EXIT_CONFIG));
            }
        },
    };
    let of_config = config.as_ref().map(|config| config.backup.clone()).unwrap_or_default();
    let from = arguments.from.clone().or(of_config.to).context("say where the backups are: --from DIR")?;
    let key = arguments.key.clone().or(of_config.key).context("say which key: --key FILE")?;
    let key = BackupKey::read(&key).with_context(|| key.display().to_string())?;
    let Some(to) = &arguments.to else { return verify(arguments, config.as_ref(), &from, &key) };
    let proof = taken_apart::restore(&from, to, &key, arguments.facility.as_deref())?;
    told(&proof);
    eprintln!("restored to {}", to.display());
    identity(config.as_ref(), to, &proof)?;
    eprintln!(
        "Before it is started, import the newest consent lists: a withdrawal may be newer than the backup."
    );
    eprintln!(
        "    起動の前に、最新の同意の一覧を取り込んでください。撤回がバックアップより新しいことがあります。"
    );
    eprintln!("Then have the senders send again what they sent since {}.", time(&proof));
    eprintln!("    起動したら、{} 以降に送った電文を送信元から再送してもらいます。", time(&proof));
    if let Some(file) = taken_apart::configuration(to) {
        eprintln!("  The configuration of then / 当時の設定: {}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The secret of ids goes where the configuration looks for it: nobody makes a new one.
fn identity(
    config: Option<&config::Config>,
    to: &std::path::Path,
    proof: &taken_apart::Proof,
) -> anyhow::Result<()> {
    let restored = to.join("identity.key");
    match config.and_then(|config| config.store.identity_key.as_ref()) {
        None => {
            eprintln!("Where [store] identity_key is set, put {} there.", restored.display());
            eprintln!("    [store] identity_key を使うなら、このファイルをそこに置きます。");
        }
        Some(wanted)
            if taken_apart::fingerprint_of(wanted).ok().as_ref() == Some(&proof.manifest.identity) =>
        {
            std::fs::remove_file(&restored)?;
            eprintln!("  {} is the right one", wanted.display());
        }
        Some(wanted) => {
            eprintln!("The identity key in use is another, or none. As root / 識別鍵が違います。root で:");
            eprintln!("    mv {} {}", restored.display(), wanted.display());
        }
    }
    Ok(())
}

fn verify(
    arguments: &Restore,
    config: Option<&config::Config>,
    from: &std::path::Path,
    key: &BackupKey,
) -> anyhow::Result<ExitCode> {
    let scratch = match &arguments.scratch {
        Some(dir) => dir.join(format!("renkei-bridge-verify-{}", std::process::id())),
        None => std::env::temp_dir().join(format!("renkei-bridge-verify-{}", std::process::id())),
    };
    anyhow::ensure!(!scratch.exists(), "{} is there already", scratch.display());
    let proof = taken_apart::verify(from, &scratch, key)?;
    told(&proof);
    if let Some(config) = config {
        let file = ConfigFile { config: config.file.clone() };
        let store = match file.store()? {
            Ok((_, store)) => store,
            Err(code) => return Ok(code),
        };
        anyhow::ensure!(
            store.fingerprint() == proof.manifest.identity,
            "the backup's identity key is {}, this appliance's is {}",
            proof.manifest.identity,
            store.fingerprint()
        );
        eprintln!("  the identity key is the one of this appliance");
        let name = proof.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        store.audit().append(&arguments.author.who(), "backup-verified", &name, "")?;
    }
    eprintln!("This backup can be restored. / このバックアップは復元できます。");
    Ok(ExitCode::SUCCESS)
}

fn time(proof: &taken_apart::Proof) -> String {
    super::print::time(proof.manifest.made_ms)
}

fn told(proof: &taken_apart::Proof) {
    eprintln!("{}, made {} by version {}", proof.dir.display(), time(proof), proof.manifest.program);
    eprintln!(
        "  {} files were opened with the key and are those of the manifest",
        proof.manifest.files.len()
    );
    eprintln!("  every database passes SQLite's integrity check");
    eprintln!(
        "  {} messages of {} facilities are accounted for: the sum of every day holds",
        proof.received,
        proof.manifest.sums.len()
    );
    eprintln!("  the audit trail is whole up to entry {}", proof.audit);
    eprintln!("  identity key {}", proof.manifest.identity);
}
