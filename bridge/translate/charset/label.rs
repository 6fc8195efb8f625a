//! MSH-18: which encoding the message says that it is in.
//!
//! HL7 table 0211, in the spellings that are seen: `~ISO IR87`, `~ISOIR87`, `UNICODE UTF-8`, `8859/1`.

use crate::hl7v2::header::Header;

/// What the repetitions of MSH-18 name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    /// There is an MSH, so that an empty MSH-18 says something: ASCII.
    pub(super) present: bool,
    /// A repetition is not empty.
    pub(super) valued: bool,
    pub(super) iso_2022: bool,
    /// JIS X 0201 kana.
    pub(super) kana: bool,
    pub(super) utf_8: bool,
    pub(super) cp932: bool,
    pub(super) euc_jp: bool,
    /// Part of ISO 8859.
    pub(super) iso_8859: Option<u8>,
    /// Some repetition is no name that is known here.
    pub(super) unknown: bool,
    /// The field, component and repetition separators that MSH declares, where each is one byte.
    pub(super) separators: Option<[u8; 3]>,
}

impl Label {
    pub(super) fn read(header: Option<&Header>) -> Self {
        let Some(header) = header else { return Self::default() };
        let separators = match (header.field(1), header.field(2)) {
            ([field], [component, repetition, ..]) => Some([*field, *component, *repetition]),
            _ => None,
        };
        let mut label = Self { present: true, separators, ..Self::default() };
        // MSH-2 declares the repetition separator second; a label holds no such character otherwise.
        let separator = header.field(2).get(1).copied().unwrap_or(b'~');
        for name in header.field(18).split(|byte| *byte == separator || *byte == b'~') {
            label.add(name);
        }
        label
    }

    fn add(&mut self, name: &[u8]) {
        let name: String = name
            .iter()
            .filter(|b| b.is_ascii_alphanumeric())
            .map(|b| char::from(b.to_ascii_uppercase()))
            .collect();
        self.valued |= !name.is_empty();
        match name.as_str() {
            "" | "ASCII" | "ISOIR6" | "ISO646" | "USASCII" => {}
            "ISOIR87" | "ISOIR159" | "ISOIR14" | "ISOIR168" | "ISO2022JP" | "ISO20221994" | "JIS" => {
                self.iso_2022 = true;
            }
            "ISOIR13" => (self.iso_2022, self.kana) = (true, true),
            "UNICODEUTF8" | "UTF8" | "UNICODE" | "ISO10646" => self.utf_8 = true,
            "SHIFTJIS" | "SJIS" | "XSJIS" | "CP932" | "MS932" | "WINDOWS31J" | "MSKANJI" => self.cp932 = true,
            "EUCJP" | "EUC" | "UJIS" => self.euc_jp = true,
            _ => match name.strip_prefix("ISO").unwrap_or(&name).strip_prefix("8859").map(str::parse) {
                Some(Ok(part @ 1..=16)) => self.iso_8859 = Some(part),
                _ => self.unknown = true,
            },
        }
    }

    /// The name of what is declared, for a finding; empty where nothing is.
    pub(super) fn name(&self) -> &'static str {
        match self {
            _ if self.utf_8 => "utf-8",
            _ if self.iso_2022 => "iso-2022-jp",
            _ if self.cp932 => "cp932",
            _ if self.euc_jp => "euc-jp",
            _ if self.iso_8859.is_some() => "iso-8859",
            _ if self.valued && !self.unknown => "ascii",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Label;
    use crate::hl7v2::header;

    #[test]
    fn labels_are_read_in_their_real_spellings() {
        for (label, name) in [
            ("~ISO IR87", "iso-2022-jp"),
            ("~ISOIR87", "iso-2022-jp"),
            ("ISO IR87", "iso-2022-jp"),
            ("ISO IR6~ISO IR87~ISO IR159", "iso-2022-jp"),
            ("~ISO IR13", "iso-2022-jp"),
            ("UNICODE UTF-8", "utf-8"),
            ("utf8", "utf-8"),
            ("Shift_JIS", "cp932"),
            ("EUC-JP", "euc-jp"),
            ("8859/1", "iso-8859"),
            ("ISO-8859-15", "iso-8859"),
            ("ASCII", "ascii"),
            ("", ""),
            ("KLINGON", ""),
        ] {
            let message = format!("MSH|^~\\&|||||||ADT^A08|1|P|2.5||||||{label}\r");
            let label_read = Label::read(header::read(message.as_bytes()).as_ref());
            assert_eq!(label_read.name(), name, "{label}");
            assert_eq!(label_read.unknown, label == "KLINGON");
            assert_eq!(label_read.valued, !label.is_empty());
        }
    }
}
