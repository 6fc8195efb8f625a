//! A canary patient and a list: absent from every request until listed, gone after the withdrawal, kills in between.

use crate::support::{Appliance, FACILITY, Total, binary};
use renkei_bridge::demo::messages::{AOBA, Message, Person, Writer};
use renkei_bridge::forward::rehearsal::{self, Rehearsal, RehearsalConfig, fault::Faults};
use renkei_bridge::intake::send::{self, SendConfig};
use renkei_bridge::store::CONSENT_POINTS;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(120);
const SIGKILL: i32 = 9;

/// Nobody's id and names, and nowhere else.
pub(super) const CANARY: Person = Person {
    id: "0000987601",
    kanji: ("禁漏", "秘乃"),
    kana: ("キンロウ", "ヒノ"),
    born: "19010203",
    sex: "F",
};
pub(super) const WORDS: [&str; 5] = ["0000987601", "禁漏", "秘乃", "キンロウ", "1901-02-03"];

pub(super) struct Site {
    pub(super) folder: PathBuf,
    pub(super) base: Rehearsal,
    pub(super) journal: PathBuf,
}

impl Site {
    pub(super) async fn open(folder: &Path, stop: CancellationToken) -> Self {
        let journal = folder.join("journal.jsonl");
        let config = RehearsalConfig { journal: Some(journal.clone()), ..RehearsalConfig::default() };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (base, _) = rehearsal::spawn(any, config, stop).await.unwrap();
        std::fs::create_dir_all(folder.join("drop")).unwrap();
        Self { folder: folder.to_owned(), base, journal }
    }

    pub(super) fn start(&self, withdrawal: &str) -> Appliance {
        let facility = format!(
            "share = \"listed\"\nwithdrawal = \"{withdrawal}\"\npatient_id = {{ width = 10 }}\n\
             consent_folder = \"drop\"\ntest_patients = {{ names = [\"試験*\"] }}"
        );
        let more =
            "retry_min = \"50ms\"\nretry_max = \"500ms\"\nbreaker = { failures = 5, pause = \"200ms\" }";
        Appliance::start_as(&self.folder, &self.base.url(), "whole", &facility, more, &[])
    }

    fn consent(&self, verb: &str, list: &str) -> Output {
        let file = self.folder.join("list.csv");
        std::fs::write(&file, list).unwrap();
        let mut command = Command::new(binary());
        command.args(["consent", verb, "--facility", FACILITY, "--config"]);
        command.arg(self.folder.join("bridge.toml")).arg(&file).output().unwrap()
    }

    /// An import that is killed at a durable point.
    fn killed_import(&self, list: &str, point: &str) {
        assert!(CONSENT_POINTS.contains(&point));
        let file = self.folder.join("list.csv");
        std::fs::write(&file, list).unwrap();
        let mut command = Command::new(binary());
        command.args(["consent", "import", "--facility", FACILITY, "--config"]);
        command.arg(self.folder.join("bridge.toml")).arg(&file).env("RENKEI_KILL_AT", format!("{point}:1"));
        assert_eq!(command.output().unwrap().status.signal(), Some(SIGKILL));
    }

    pub(super) fn import(&self, list: &str) {
        let output = self.consent("import", list);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub(super) async fn send(&self, appliance: &Appliance, messages: &[Message]) {
        let files = messages.iter().enumerate().map(|(number, message)| {
            let file = self.folder.join(format!("{number:03}.hl7"));
            std::fs::write(&file, message.bytes()).unwrap();
            (message.patient.to_owned(), file)
        });
        let config = SendConfig::new(format!("127.0.0.1:{}", appliance.mllp_port));
        assert!(send::send(&config, files.collect(), |_| {}).await.all_accepted());
    }

    /// Words of the canary in anything that the base was ever asked.
    fn seen(&self) -> Vec<&'static str> {
        let text = std::fs::read_to_string(&self.journal).unwrap();
        WORDS.into_iter().filter(|word| text.contains(word)).collect()
    }
}

pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the day's sum is that: registered, excluded, and nothing else.
pub(super) fn settles(appliance: &Appliance, registered: u64, excluded: u64) {
    let mut total: Option<Total> = None;
    let end = Instant::now() + SOON;
    while !total.as_ref().is_some_and(|t| {
        (t.registered, t.excluded, t.received) == (registered, excluded, registered + excluded)
    }) {
        assert!(Instant::now() < end, "{total:?} and not {registered} + {excluded}\n{}", appliance.log());
        std::thread::sleep(Duration::from_millis(100));
        total = Some(appliance.total());
    }
}

pub(super) fn messages(writer: &mut Writer, person: &Person) -> Vec<Message> {
    // The order first: its result makes the provisional Patient.
    vec![
        writer.results(person),
        writer.prescription(person),
        writer.demographics(person),
        writer.problems(person),
        writer.allergies(person),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_nowhere_until_listed_and_gone_after_the_withdrawal() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let site = Site::open(folder.path(), stop.clone()).await;
    let other = &AOBA[0];
    let only_other = format!("{},,\n", other.id);
    let both = format!("{},,\n987601,2026-01-01,,備考\n", other.id);
    let mut writer = Writer::new("C", "20260401".into());
    let (canary, listed) = (messages(&mut writer, &CANARY), messages(&mut writer, other));
    let (many, rest) = (canary.len() as u64, listed.len() as u64);

    let appliance = site.start("delete");
    site.import(&only_other);
    let mut all = Vec::new();
    for (a, b) in canary.into_iter().zip(listed) {
        all.extend([a, b]);
    }
    site.send(&appliance, &all).await;
    settles(&appliance, rest, many);
    assert_eq!(site.seen(), [""; 0], "before the consent");
    let without = site.base.resources();
    assert!(without.keys().any(|url| url.starts_with("Practitioner/")));

    // Listed by the drop folder, as Excel writes it: the record goes out, whole.
    let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(&both);
    std::fs::write(folder.path().join("drop/一覧.csv"), &cp932).unwrap();
    settles(&appliance, rest + many, 0);
    assert_eq!(site.seen(), WORDS);
    assert_eq!(std::fs::read_dir(folder.path().join("drop/done")).unwrap().count(), 2);
    let with = site.base.resources();
    assert!(with.len() > without.len());

    // A list with a bad row changes nothing.
    let refused = site.consent("import", "1000,2026-99-01,\n");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("line 1\tconsent-date"));

    let mut list = Command::new(binary());
    list.args(["consent", "list", "--facility", FACILITY, "--config"]).arg(folder.path().join("bridge.toml"));
    let shown = String::from_utf8(list.output().unwrap().stdout).unwrap();
    assert!(shown.contains("share      base listed\n"), "{shown}");
    assert!(shown.contains("patients   2, today 2, later 0"), "{shown}");
    assert!(!shown.contains("987601"), "{shown}");
    let revealed =
        String::from_utf8(list.args(["--reveal", "--reason", "audit"]).output().unwrap().stdout).unwrap();
    assert!(revealed.contains("\n0000987601,20260101,\n"), "{revealed}");

    // Withdrawn while the base is away and the appliance is down; killed in the first sweep.
    site.base.set_faults(Faults { away: true, ..Faults::default() });
    let log = appliance.log();
    drop(appliance);
    site.killed_import(&only_other, "consent.before-commit");
    let output = site.consent("check", &both);
    assert!(String::from_utf8_lossy(&output.stdout).contains("unchanged=2"), "the old list stands");
    site.killed_import(&only_other, "consent.after-commit");
    let killed = Command::new(binary())
        .args(["serve", "--config"])
        .arg(folder.path().join("bridge.toml"))
        .env("RENKEI_KILL_AT", "sweep.before-commit:1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(killed.signal(), Some(SIGKILL));
    let appliance = site.start("delete");
    until("the deletions wait", || appliance.total().pending == many);
    assert_eq!(site.base.resources(), with, "the base is away");
    site.base.set_faults(Faults::default());
    settles(&appliance, rest, many);
    assert_eq!(site.base.resources().keys().collect::<Vec<_>>(), without.keys().collect::<Vec<_>>());

    // Consented again, then withdrawn under the other setting: it stays, and nothing more goes out.
    drop(appliance);
    let appliance = site.start("stop");
    site.import(&both);
    settles(&appliance, rest + many, 0);
    site.import(&only_other);
    // Read once applied: what comes next is left out, what was sent stays registered.
    let asked = site.base.asked().len();
    site.send(&appliance, &[writer.results(&CANARY)]).await;
    settles(&appliance, rest + many, 1);
    assert_eq!(site.base.asked().len(), asked);
    assert_eq!(site.base.resources().len(), with.len());

    // A test patient is nobody, listed or not.
    let nobody =
        Person { id: "0000555501", kanji: ("試験", "太郎"), kana: ("シケン", "タロウ"), ..CANARY };
    site.import(&format!("{only_other}555501,,\n"));
    site.send(&appliance, &[writer.demographics(&nobody)]).await;
    settles(&appliance, rest + many, 2);
    assert!(!std::fs::read_to_string(&site.journal).unwrap().contains("試験"));

    let log = log + &appliance.log();
    assert!(!WORDS.iter().any(|word| log.contains(word)), "{log}");
    stop.cancel();
}
