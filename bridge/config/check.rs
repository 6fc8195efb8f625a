//! What settings say against each other. Reads the file's words alone and touches nothing outside it.

use super::Written;
use super::problem::Problems;
use super::read::Section;
use super::sharing;
use crate::intake::Kind;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;

/// Digits of a 保険医療機関番号: prefecture 2, 点数表 1, institution 7.
const CODE_DIGITS: usize = 10;

/// Sections and settings that do not exist.
pub(super) fn unknown(table: &toml::de::DeTable<'_>, problems: &mut Problems<'_>) {
    for (key, _) in table.iter() {
        let name = key.get_ref();
        problems.error(
            Some(key.span()),
            name.to_string(),
            format!("{name} という設定や節はありません。綴りを確かめるか、消してください。"),
            format!(
                "There is no setting or section {name}. Known are data_dir, [mappings], [console], \
                 [store], [backup], [schedule], [pipeline], [participation], [[facility]], [[feed]] and [[base]]."
            ),
        );
    }
}

/// Everything that sections say against each other.
pub(super) fn contents(written: &Written<'_>, problems: &mut Problems<'_>) {
    let facilities: Vec<&Section<'_>> = written.facilities.iter().map(|(section, _)| section).collect();
    let feeds: Vec<&Section<'_>> = written.feeds.iter().map(|(section, _)| section).collect();
    let bases: Vec<&Section<'_>> = written.bases.iter().map(|(section, _)| section).collect();
    unique(&facilities, "code", problems);
    unique(&feeds, "name", problems);
    unique(&bases, "name", problems);
    codes(&facilities, problems);
    let known: Vec<&str> = facilities.iter().filter_map(|facility| facility.text("code")).collect();
    for feed in &feeds {
        if let Some(code) = feed.text("facility").filter(|code| !known.contains(code) && *code != "field") {
            unknown_facility(feed, "facility", code, problems);
        }
    }
    for (section, feed) in &written.feeds {
        let Some(Kind::Folder(folder)) = feed.as_ref().map(|feed| &feed.kind) else { continue };
        for code in folder.allow.iter().flatten().filter(|code| !known.contains(&code.as_str())) {
            unknown_facility(section, "allow", code, problems);
        }
    }
    listeners(written, problems);
    backup(written, problems);
    storages(written, problems);
    destinations(written, &known, problems);
    sharing::check(written, problems);
    for (section, facility) in &written.facilities {
        let base = facility.as_ref().and_then(|facility| facility.local_system_base.as_deref());
        if base.is_some_and(|base| base.ends_with('/') || url::Url::parse(base).is_err()) {
            problems.error(
                Some(section.span_of("local_system_base")),
                format!("{}.local_system_base", section.name),
                "URI を、末尾の / なしで書いてください（例 \"http://hospital.example.jp/fhir\"）。",
                "Write a URI without a slash at its end, such as \"http://hospital.example.jp/fhir\".",
            );
        }
    }
    for (section, facility) in &written.facilities {
        let Some((joined, closed)) =
            facility.as_ref().and_then(|facility| facility.joined.zip(facility.closed))
        else {
            continue;
        };
        if closed <= joined {
            problems.error(
                Some(section.span_of("closed")),
                format!("{}.closed", section.name),
                "closed は joined より後の日にしてください。",
                "closed must be a day after joined.",
            );
        }
    }
    if written.facilities.is_empty() {
        problems.error(
            None,
            "facility",
            "施設がありません。[[facility]] を一つ以上書いてください。",
            "There is no facility. Write at least one [[facility]].",
        );
    }
}

fn unique(sections: &[&Section<'_>], key: &str, problems: &mut Problems<'_>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for section in sections {
        let Some(name) = section.text(key) else { continue };
        if let Some(first) = seen.get(name) {
            problems.error(
                Some(section.span_of(key)),
                format!("{}.{key}", section.name),
                format!("{key} = \"{name}\" は {first} と同じです。別の名にしてください。"),
                format!("{key} = \"{name}\" is that of {first} too. Give it another."),
            );
        } else {
            seen.insert(name, &section.name);
        }
    }
}

fn codes(facilities: &[&Section<'_>], problems: &mut Problems<'_>) {
    for facility in facilities {
        let Some(code) = facility.text("code") else { continue };
        if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            problems.error(
                Some(facility.span_of("code")),
                format!("{}.code", facility.name),
                format!("\"{code}\" は10桁の数字ではありません。都道府県2桁、点数表1桁、医療機関7桁で書いてください。"),
                format!("\"{code}\" is not ten digits. Write prefecture (2), 点数表 (1) and institution (7)."),
            );
        }
    }
}

fn unknown_facility(section: &Section<'_>, key: &str, code: &str, problems: &mut Problems<'_>) {
    problems.error(
        Some(section.span_of(key)),
        format!("{}.{key}", section.name),
        format!("施設 \"{code}\" は書かれていません。[[facility]] を足すか、コードを直してください。"),
        format!("There is no facility \"{code}\". Add a [[facility]] for it or mend the code."),
    );
}

/// Every address that is listened on, the console's included.
fn listeners(written: &Written<'_>, problems: &mut Problems<'_>) {
    let mut seen: Vec<(SocketAddr, String)> = Vec::new();
    if let Some(console) = &written.console {
        seen.push((console.listen, "console".into()));
        // Passwords and patients would cross the network in the clear.
        if !console.listen.ip().is_loopback() && console.tls.is_none() {
            let listen = console.listen;
            problems.error(
                written.console_at.clone(),
                "console.listen",
                format!(
                    "{listen} はこのマシンの外から見えるのに TLS がありません。[console] に tls = {{ cert, key }} を書くか、127.0.0.1 にしてください。"
                ),
                format!(
                    "{listen} can be reached from outside and has no TLS. Write tls = {{ cert, key }} in [console], or use 127.0.0.1."
                ),
            );
        }
    }
    for (section, feed) in &written.feeds {
        let Some(Kind::Mllp(mllp)) = feed.as_ref().map(|feed| &feed.kind) else { continue };
        let clash = seen.iter().find(|(other, _)| {
            // Port 0 is any free one; an unspecified address takes the port on every other.
            mllp.listen.port() != 0
                && other.port() == mllp.listen.port()
                && (other.ip() == mllp.listen.ip()
                    || other.ip().is_unspecified()
                    || mllp.listen.ip().is_unspecified())
        });
        if let Some((_, other)) = clash {
            problems.error(
                Some(section.span_of("listen")),
                format!("{}.listen", section.name),
                format!("{} は {other} がもう使っています。別のポートにしてください。", mllp.listen),
                format!("{} is taken by {other} already. Use another port.", mllp.listen),
            );
        } else {
            seen.push((mllp.listen, section.name.clone()));
        }
    }
}

/// Patient data leaves the data directory encrypted or not at all.
fn backup(written: &Written<'_>, problems: &mut Problems<'_>) {
    if written.backup.as_ref().is_some_and(|backup| backup.to.is_some() != backup.key.is_some()) {
        problems.error(
            None,
            "backup",
            "[backup] には to と key の両方を書いてください。バックアップは必ず暗号化されます。",
            "[backup] needs both to and key: a backup is always encrypted.",
        );
    }
}

fn storages(written: &Written<'_>, problems: &mut Problems<'_>) {
    let mut seen = BTreeMap::new();
    for (section, feed) in &written.feeds {
        let path = match feed.as_ref().map(|feed| &feed.kind) {
            Some(Kind::Ssmix2(storage)) => storage.path.clone(),
            Some(Kind::Folder(folder)) => folder.path.clone(),
            _ => continue,
        };
        if let Some(other) = seen.insert(path, section.name.clone()) {
            problems.error(
                Some(section.span_of("path")),
                format!("{}.path", section.name),
                format!("このフォルダは {other} がもう読んでいます。どちらかを消してください。"),
                format!("{other} follows this folder already. Remove one of them."),
            );
        }
    }
}

fn destinations(written: &Written<'_>, known: &[&str], problems: &mut Problems<'_>) {
    let mut served: Vec<&str> = Vec::new();
    for (section, base) in &written.bases {
        let Some(base) = base else { continue };
        for (setting, en) in base.check() {
            problems.error(
                Some(section.span_of(setting)),
                format!("{}.{setting}", section.name),
                sentence(setting),
                format!("{}.", capital(en)),
            );
        }
        for code in base.facilities.iter().filter(|code| *code != "*" && !known.contains(&code.as_str())) {
            unknown_facility(section, "facilities", code, problems);
        }
        served.extend(known.iter().filter(|code| base.serves(code)));
    }
    for (section, facility) in &written.facilities {
        let Some(facility) = facility else { continue };
        if !served.contains(&facility.code.as_str()) {
            problems.warning(
                Some(place(section)),
                &section.name,
                "この施設を送る [[base]] がありません。電文は保存されますが、どこにも送られません。",
                "No [[base]] takes this facility: its messages are kept and sent nowhere.",
            );
        }
    }
}

fn place(section: &Section<'_>) -> Range<usize> {
    section.span()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What to do about a setting of a base, in Japanese.
fn sentence(setting: &str) -> &'static str {
    match setting {
        "name" => "送信先の名前を書いてください。",
        "url" => "url は http:// か https:// で始まり、?、#、パスワードを含まない形で書いてください。",
        "facilities" => "送る施設のコードを書くか、すべてなら [\"*\"] と書いてください。",
        "concurrency" => "同時送信数は1以上にしてください。",
        "timeout" | "connect_timeout" => "待ち時間は0より長くしてください。",
        "retry_min" => "再送までの時間は0より長くしてください。",
        "retry_max" => "retry_max は retry_min 以上にしてください。",
        "tls" => "証明書を使うには url を https:// にしてください。",
        "tls.client_key" => "client_cert と client_key は両方書いてください。",
        "breaker.failures" => "breaker.failures は1以上にしてください。",
        "breaker.pause" => "breaker.pause は0より長くしてください。",
        _ => "この設定では動きません。値を直してください。",
    }
}
