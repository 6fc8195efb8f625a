//! The demonstration: everything on one machine, in a temporary folder, with two invented hospitals.
//!
//! One hospital sends over MLLP, one fills a storage; some of their messages are wrong on purpose. What they
//! send ends in the rehearsal base, a stand-in for the national one inside this program. Nothing is kept
//! afterwards. [`messages`] invents what they send, [`people`] who looks at it.

pub mod messages;
pub mod people;

use crate::forward::rehearsal;
use crate::{app, config, intake};
use messages::{AOBA, MIDORI, Message, Writer};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The console's port; any other free one where it is taken.
pub const PORT: u16 = 8080;
/// Time between two messages of the hospital that goes on sending.
const PACE: Duration = Duration::from_secs(3);
/// 医療機関番号 of the hospital that sends over MLLP: invented, prefecture 13, 点数表 1.
pub const AOBA_CODE: &str = "1319999991";
/// 医療機関番号 of the hospital whose storage is followed.
pub const MIDORI_CODE: &str = "1319999992";

/// The demonstration's folder; gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("renkei-bridge-demo-{}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind in the temporary folder is invented; the system clears it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs until `shutdown`; `say` prints a line.
///
/// # Errors
/// The temporary folder or a port of this machine cannot be used.
pub async fn run(say: impl Fn(&str), shutdown: CancellationToken) -> anyhow::Result<()> {
    let folder = Folder::make()?;
    let stop_base = CancellationToken::new();
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (base, base_task) =
        rehearsal::spawn(loopback, rehearsal::RehearsalConfig::default(), stop_base.clone()).await?;

    let day = today();
    let storage = folder.0.join("midori-storage");
    fill_storage(&storage, &day)?;
    let file = folder.0.join("bridge.toml");
    std::fs::write(&file, configuration(&folder.0, &storage, &base.url(), console_port()))?;
    let (settings, _) = config::load(&file).map_err(|problems| {
        anyhow::anyhow!(problems.iter().map(|problem| problem.to_string()).collect::<Vec<_>>().join("\n"))
    })?;
    let app =
        app::spawn_with(settings, app::Look { demo: true, refresh_s: 2, network: NETWORK.into() }).await?;
    let address = app.console.ok_or_else(|| anyhow::anyhow!("the console does not listen"))?;
    let mllp = app.feed_addr("aoba-mllp").ok_or_else(|| anyhow::anyhow!("the feed does not listen"))?;

    let store = app.state.store.clone();
    tokio::task::spawn_blocking(move || people::add(store.users(), app::now_ms())).await??;
    say(&format!("コンソール / console  http://{address}/"));
    say(&format!("パスワード / password  {}", people::PASSWORD));
    for person in people::PEOPLE {
        say(&format!("  {:<8} {} → http://{address}{}", person.name, person.says, person.look));
    }
    say("認証コードはログインの2ページ目に出ます / the second page of the sign-in shows the code.");
    say(&format!("架空あおば病院      MLLP {mllp}"));
    say(&format!("架空みどり病院      SS-MIX2 {}", storage.display()));
    say(&format!("リハーサル基盤      {}", base.url()));
    say("終了は Ctrl-C / Ctrl-C ends it; nothing is kept.");

    let outgoing = folder.0.join("aoba");
    tokio::select! {
        () = shutdown.cancelled() => {}
        sent = feed_aoba(&outgoing, mllp, &day) => sent?,
    }
    app.stop().await;
    stop_base.cancel();
    let _ = base_task.await;
    Ok(())
}

const NETWORK: &str = "架空県 見本医療情報ネットワーク";

/// The wanted port where it is free, any other where it is not.
fn console_port() -> u16 {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)) {
        Ok(_) => PORT,
        Err(_) => 0,
    }
}

/// Today in Japan, `YYYYMMDD`.
fn today() -> String {
    chrono::Utc::now().with_timezone(&chrono_tz::Asia::Tokyo).format("%Y%m%d").to_string()
}

fn configuration(folder: &Path, storage: &Path, base: &str, port: u16) -> String {
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        r#"data_dir = {data}

[console]
listen = "127.0.0.1:{port}"

[[facility]]
code = "{AOBA_CODE}"
name = "架空あおば病院"
share = "all"
patient_id = {{ width = 10 }}

[[facility]]
code = "{MIDORI_CODE}"
name = "架空みどり病院"
share = "all"

[[feed]]
name = "aoba-mllp"
facility = "{AOBA_CODE}"
kind = "mllp"
listen = "127.0.0.1:0"
allow = ["127.0.0.0/8"]

[[feed]]
name = "midori-storage"
facility = "{MIDORI_CODE}"
kind = "ssmix2"
path = {storage}
scan = "2s"
settle = "1s"

[[base]]
name = "rehearsal"
kind = "fhir-rest"
url = {base}
facilities = ["*"]
"#,
        data = quote(&folder.join("data").display().to_string()),
        storage = quote(&storage.display().to_string()),
        base = quote(base),
    )
}

/// What the hospital with a storage has written, three files of it wrong on purpose.
fn fill_storage(storage: &Path, day: &str) -> std::io::Result<()> {
    let mut writer = Writer::new("M", day.to_owned());
    let put = |message: &Message, flag: char| write(&storage.join(message.path(flag)), message);
    for person in MIDORI {
        put(&writer.demographics(person), '1')?;
        put(&writer.visit(person), '1')?;
        put(&writer.prescription(person), '1')?;
        put(&writer.results(person), '1')?;
        put(&writer.problems(person), '1')?;
    }
    // Replaced and deleted files stay in a storage under their flags.
    put(&writer.results(&MIDORI[0]), '2')?;
    put(&writer.prescription(&MIDORI[1]), '0')?;
    // A result in another patient's folder: held, because nobody may guess whose it is.
    let mut astray = writer.results(&MIDORI[2]);
    astray.patient = MIDORI[3].id;
    put(&astray, '1')?;
    // A prescription without a drug.
    put(&writer.without_drug(&MIDORI[0]), '1')
}

fn write(path: &Path, message: &Message) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, message.bytes())
}

/// What the hospital with MLLP sends: a first batch at once, then one message every few seconds for ever.
async fn feed_aoba(folder: &Path, to: SocketAddr, day: &str) -> anyhow::Result<()> {
    let mut writer = Writer::new("A", day.to_owned());
    let mut first = Vec::new();
    for person in AOBA {
        first.push(writer.demographics(person));
        first.push(writer.visit(person));
        first.push(writer.prescription(person));
        first.push(writer.results(person));
    }
    first.push(writer.admission(&AOBA[0]));
    first.push(writer.injection(&AOBA[0]));
    first.push(writer.allergies(&AOBA[1]));
    first.push(writer.problems(&AOBA[1]));
    first.push(writer.discharge(&AOBA[0]));
    first.push(writer.appointment(&AOBA[2]));
    first.push(writer.without_drug(&AOBA[3]));
    send(folder, to, &first).await?;
    for turn in 0.. {
        tokio::time::sleep(PACE).await;
        let person = &AOBA[turn % AOBA.len()];
        let message = match turn % 4 {
            0 | 2 => writer.results(person),
            1 => writer.prescription(person),
            _ => writer.visit(person),
        };
        send(folder, to, &[message]).await?;
    }
    Ok(())
}

async fn send(folder: &Path, to: SocketAddr, messages: &[Message]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let file = folder.join(format!("{number:03}.hl7"));
        std::fs::write(&file, message.bytes())?;
        files.push((String::new(), file));
    }
    intake::send::send(&intake::send::SendConfig::new(to.to_string()), files, |_| {}).await;
    Ok(())
}
