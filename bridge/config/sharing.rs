//! What is said of who is shared: ranges, patterns, folders.

use super::Written;
use super::problem::Problems;
use crate::store::Share;
use std::collections::BTreeMap;

/// Notes what is wrong with the settings of each facility.
pub(super) fn check(written: &Written<'_>, problems: &mut Problems<'_>) {
    let mut folders: BTreeMap<&std::path::Path, &str> = BTreeMap::new();
    for (section, facility) in &written.facilities {
        let Some(facility) = facility else { continue };
        let tests = &facility.test_patients;
        let mut say = |key: &str, ja: String, en: String| {
            problems.error(Some(section.span_of(key)), format!("{}.{key}", section.name), ja, en);
        };
        if tests.ids.iter().any(|id| id.trim().is_empty()) {
            say(
                "test_patients.ids",
                "空の患者IDがあります。消すか、IDを書いてください。".into(),
                "A patient id is empty. Remove it or write the id.".into(),
            );
        }
        if let Some([first, last]) = tests.normalised(&facility.patient_id).wrong_range() {
            say(
                "test_patients.ranges",
                format!(
                    "範囲 \"{first}\" から \"{last}\" は使えません。小さい方から、数字どうしか同じ桁数で書いてください。"
                ),
                format!(
                    "The range from \"{first}\" to \"{last}\" cannot be used. Write the smaller end first, and \
                     numbers or ids of one length."
                ),
            );
        }
        if let Some(pattern) = tests.wrong_name() {
            say(
                "test_patients.names",
                format!(
                    "\"{pattern}\" では全員が試験患者になります。* のほかに文字を書いてください（例 \"テスト*\"）。"
                ),
                format!(
                    "\"{pattern}\" makes everybody a test patient. Write letters beside the *, such as \"テスト*\"."
                ),
            );
        }
        let Some(folder) = &facility.consent_folder else { continue };
        if let Some(other) = folders.insert(folder, &section.name) {
            say(
                "consent_folder",
                format!("このフォルダは {other} がもう使っています。施設ごとに分けてください。"),
                format!("{other} has this folder already. Give each facility its own."),
            );
        }
        let bases = written.bases.iter().filter_map(|(_, base)| base.as_ref());
        let mut shares = bases
            .filter(|base| base.serves(&facility.code))
            .map(|base| base.share.unwrap_or(facility.share))
            .peekable();
        if shares.peek().is_some() && shares.all(|share| share == Share::All) {
            problems.warning(
                Some(section.span_of("consent_folder")),
                format!("{}.consent_folder", section.name),
                "share = \"all\" なので同意の一覧は使われません。share を \"listed\" か \"all-but-listed\" にしてください。",
                "With share = \"all\" no list is looked at. Set share to \"listed\" or \"all-but-listed\".",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Weight, parse};
    use crate::store::{Share, Withdrawal};
    use std::path::Path;

    const HEAD: &str = "data_dir = 'data'\n[[base]]\nname = 'b'\nkind = 'fhir-rest'\nurl = 'http://h/fhir'\n\
                        [[facility]]\ncode = '1319999999'\npatient_id = { width = 8 }\n";

    fn check(more: &str, expected: &[(usize, &str, Weight)]) {
        let found = match parse(Path::new("/etc/r/bridge.toml"), &format!("{HEAD}{more}")) {
            Ok((_, found)) | Err(found) => found,
        };
        let places: Vec<_> = found.iter().map(|p| (p.line, p.key.as_str(), p.weight)).collect();
        assert_eq!(places, expected, "{more}");
        assert!(found.iter().all(|p| !p.ja.is_empty() && p.ja != p.en));
    }

    #[test]
    fn nobody_is_shared_unless_the_file_says_so() {
        let (config, _) = parse(Path::new("/etc/r/bridge.toml"), HEAD).unwrap();
        let sharing = config.sharing(&config.facilities[0]);
        assert_eq!(sharing.destinations, [("b".to_owned(), Share::Listed)]);
        assert_eq!(sharing.withdrawal, Withdrawal::Stop);
    }

    #[test]
    fn a_base_may_have_a_rule_of_its_own() {
        let text = format!(
            "{HEAD}share = 'all-but-listed'\nwithdrawal = 'delete'\ntest_patients = {{ ids = ['77'], ranges = [['900', '999']], names = ['テスト*'] }}\n\
             consent_folder = 'drop'\n[[base]]\nname = 'c'\nkind = 'fhir-rest'\nurl = 'http://h/c'\nshare = 'all'\n"
        );
        let (config, found) = parse(Path::new("/etc/r/bridge.toml"), &text).unwrap();
        assert_eq!(found, []);
        let facility = &config.facilities[0];
        let sharing = config.sharing(facility);
        assert_eq!(
            sharing.destinations,
            [("b".to_owned(), Share::AllButListed), ("c".to_owned(), Share::All)]
        );
        assert_eq!(sharing.withdrawal, Withdrawal::Delete);
        assert!(sharing.tests.has_id("00000077") && sharing.tests.has_id("00000950"));
        assert_eq!(facility.consent_folder.as_deref(), Some(Path::new("/etc/r/drop")));
    }

    #[test]
    fn mistakes_are_said_with_their_lines() {
        use Weight::{Error, Warning};
        check("share = 'some'\n", &[(9, "facility[1].share", Error)]);
        check("withdrawal = 'erase'\n", &[(9, "facility[1].withdrawal", Error)]);
        check(
            "test_patients = { ids = [''], ranges = [['9', '1']], names = ['*'] }\n",
            &[
                (9, "facility[1].test_patients.ids", Error),
                (9, "facility[1].test_patients.ranges", Error),
                (9, "facility[1].test_patients.names", Error),
            ],
        );
        check("test_patients = { regex = ['.'] }\n", &[(9, "facility[1].test_patients.regex", Error)]);
        check("share = 'all'\nconsent_folder = 'x'\n", &[(10, "facility[1].consent_folder", Warning)]);
        check(
            "consent_folder = 'x'\n[[facility]]\ncode = '1319999998'\nconsent_folder = 'x'\n",
            &[(12, "facility[2].consent_folder", Error)],
        );
    }
}
