//! Facilities as members of the network: type, area, from when to when.

use super::Day;
use renkei_translate::finding::Language;

/// What an institution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FacilityType {
    /// 病院.
    Hospital,
    /// 医科診療所.
    Clinic,
    /// 歯科診療所.
    Dental,
    /// 薬局.
    Pharmacy,
    /// 訪問看護・介護.
    VisitingNurse,
    /// 衛生検査所.
    Laboratory,
    /// その他.
    Other,
}

impl FacilityType {
    /// Every type, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Hospital,
        Self::Clinic,
        Self::Dental,
        Self::Pharmacy,
        Self::VisitingNurse,
        Self::Laboratory,
        Self::Other,
    ];

    /// As written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Clinic => "clinic",
            Self::Dental => "dental",
            Self::Pharmacy => "pharmacy",
            Self::VisitingNurse => "visiting-nurse",
            Self::Laboratory => "laboratory",
            Self::Other => "other",
        }
    }

    /// As shown.
    pub fn word(self, language: Language) -> &'static str {
        let (ja, en) = match self {
            Self::Hospital => ("病院", "Hospital"),
            Self::Clinic => ("医科診療所", "Clinic"),
            Self::Dental => ("歯科診療所", "Dental clinic"),
            Self::Pharmacy => ("薬局", "Pharmacy"),
            Self::VisitingNurse => ("訪問看護・介護", "Visiting nurses and care"),
            Self::Laboratory => ("衛生検査所", "Laboratory"),
            Self::Other => ("その他", "Other"),
        };
        if language == Language::Ja { ja } else { en }
    }

    /// The type of a word, as written in files or as shown in Japanese.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word || known.word(Language::Ja) == word)
    }
}

/// A facility of the network. What is not written is not known, and left out of what it would decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub facility_type: Option<FacilityType>,
    /// Its 二次医療圏.
    pub area: Option<String>,
    /// Its 市町村.
    pub municipality: Option<String>,
    /// Since when it takes part; always, where none is written.
    pub joined: Option<Day>,
    /// From when on it does not any more: closed, merged or left.
    pub closed: Option<Day>,
}

impl Member {
    /// Whether it takes part at the end of that day (`YYYYMMDD`).
    pub fn is_contracted(&self, day: u32) -> bool {
        self.joined.is_none_or(|joined| joined.number() <= day)
            && self.closed.is_none_or(|closed| closed.number() > day)
    }

    /// Its name, or its code where it has none.
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { &self.code } else { &self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::{FacilityType, Member};

    #[test]
    fn a_facility_takes_part_from_its_joining_to_the_day_before_its_end() {
        let member = Member {
            joined: Some("2026-04-01".parse().unwrap()),
            closed: Some("2026-10-31".parse().unwrap()),
            ..Member::default()
        };
        let at = [20_260_331, 20_260_401, 20_261_030, 20_261_031].map(|day| member.is_contracted(day));
        assert_eq!(at, [false, true, true, false]);
        assert!(Member::default().is_contracted(20_260_401));
    }

    #[test]
    fn types_are_read_as_code_and_as_word() {
        for kind in FacilityType::ALL {
            assert_eq!(FacilityType::of(kind.as_str()), Some(kind));
        }
        assert_eq!(FacilityType::of("薬局"), Some(FacilityType::Pharmacy));
        assert_eq!(FacilityType::of("寺"), None);
    }
}
