//! The published JP-CLINS examples, read from beside the checkout where they are: what is good R4 must pass.

#[cfg(test)]
mod tests {
    use crate::finding::Severity;
    use crate::profile::check;
    use std::path::Path;

    const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples/jp-clins-examples");

    /// Examples named as errors. They break rules of JP-CLINS and not of FHIR R4 or JP Core, so this check finds
    /// nothing in them: it knows no eCS profile and says so (`profile-not-known`).
    const NAMED_AS_ERRORS: &[&str] = &[
        // R3010: neither YJ nor the general name nor "no code" among the codings of the drug.
        "MedicationRequest-ErrorExample-JP-MedReq-ExtEye-Total1.json",
        // Nothing that the published definitions decide.
        "MedicationRequest-ErrorExample-JP-MedReq-PO-SID-28days.json",
        "Observation-ErrorExample-ObsLabo-eGFR.json",
    ];

    #[test]
    fn published_examples_break_no_rule_of_fhir_or_jp_core() {
        let Ok(folder) = std::fs::read_dir(Path::new(EXAMPLES)) else {
            assert!(std::env::var_os("CI").is_none(), "the published examples are not beside the checkout");
            eprintln!("SKIPPED: no ../shared/samples/jp-clins-examples");
            return;
        };
        let (mut read, mut wrong) = (0, Vec::new());
        for file in folder.flatten().filter(|file| file.path().extension().is_some_and(|e| e == "json")) {
            let name = file.file_name().to_string_lossy().into_owned();
            let bytes = std::fs::read(file.path()).expect("an example can be read");
            let json: serde_json::Value = serde_json::from_slice(&bytes).expect("an example is JSON");
            let kind = json["resourceType"].as_str().expect("an example says its type").to_string();
            read += 1;
            let errors: Vec<_> = check(&kind, &json)
                .into_iter()
                .filter(|finding| finding.severity == Severity::Error)
                .collect();
            wrong.extend(
                errors.into_iter().map(|e| format!("{name} {} {} {:?}", e.code, e.location.path, e.detail)),
            );
            if NAMED_AS_ERRORS.contains(&name.as_str()) {
                assert!(
                    check(&kind, &json).iter().any(|finding| finding.code == "profile-not-known"),
                    "{name}"
                );
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(read, 61);
    }
}
