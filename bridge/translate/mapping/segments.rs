//! The segments of HL7 v2 and how many fields each has, in its newest published form (v2.9): a feed of v2.4 or v2.5
//! has no more.

/// Name and number of fields.
const SEGMENTS: &[(&str, u16)] = &[
    ("ABS", 13),
    ("ACC", 13),
    ("ADD", 1),
    ("AFF", 5),
    ("AIG", 14),
    ("AIL", 12),
    ("AIP", 12),
    ("AIS", 12),
    ("AL1", 6),
    ("APR", 5),
    ("ARQ", 25),
    ("ARV", 6),
    ("AUT", 30),
    ("BHS", 14),
    ("BLC", 2),
    ("BLG", 4),
    ("BPO", 14),
    ("BPX", 21),
    ("BTS", 3),
    ("BTX", 21),
    ("CDM", 13),
    ("CER", 31),
    ("CM0", 11),
    ("CM1", 3),
    ("CM2", 4),
    ("CNS", 6),
    ("CON", 25),
    ("CSP", 4),
    ("CSR", 16),
    ("CSS", 3),
    ("CTD", 8),
    ("CTI", 3),
    ("DB1", 8),
    ("DG1", 26),
    ("DON", 34),
    ("DRG", 33),
    ("DSC", 2),
    ("DSP", 5),
    ("ECD", 5),
    ("ECR", 3),
    ("EDU", 9),
    ("EQP", 5),
    ("EQU", 14),
    ("ERR", 12),
    ("EVN", 7),
    ("FAC", 12),
    ("FHS", 14),
    ("FT1", 55),
    ("FTS", 2),
    ("GOL", 22),
    ("GP1", 5),
    ("GP2", 14),
    ("GT1", 57),
    ("IAM", 30),
    ("IAR", 4),
    ("IIM", 15),
    ("ILT", 10),
    ("IN1", 55),
    ("IN2", 72),
    ("IN3", 28),
    ("INV", 26),
    ("IPC", 10),
    ("IPR", 8),
    ("ISD", 3),
    ("ITM", 30),
    ("IVC", 32),
    ("IVT", 26),
    ("LAN", 4),
    ("LCC", 4),
    ("LCH", 5),
    ("LDP", 12),
    ("LOC", 9),
    ("LRL", 6),
    ("MFA", 6),
    ("MFE", 5),
    ("MFI", 6),
    ("MRG", 7),
    ("MSA", 8),
    ("MSH", 28),
    ("NCK", 1),
    ("NDS", 4),
    ("NK1", 41),
    ("NPU", 2),
    ("NSC", 9),
    ("NST", 15),
    ("NTE", 9),
    ("OBR", 55),
    ("OBX", 33),
    ("ODS", 4),
    ("ODT", 3),
    ("OH1", 6),
    ("OH2", 18),
    ("OH3", 8),
    ("OH4", 7),
    ("OM1", 59),
    ("OM2", 11),
    ("OM3", 10),
    ("OM4", 18),
    ("OM5", 4),
    ("OM6", 3),
    ("OM7", 25),
    ("OMC", 16),
    ("ORC", 38),
    ("ORG", 13),
    ("OVR", 5),
    ("PAC", 9),
    ("PCE", 4),
    ("PCR", 23),
    ("PD1", 23),
    ("PDA", 9),
    ("PDC", 15),
    ("PEO", 25),
    ("PES", 13),
    ("PID", 40),
    ("PKG", 7),
    ("PMT", 12),
    ("PR1", 25),
    ("PRA", 12),
    ("PRB", 28),
    ("PRC", 18),
    ("PRD", 14),
    ("PRT", 25),
    ("PSG", 6),
    ("PSH", 14),
    ("PSL", 48),
    ("PSS", 5),
    ("PTH", 7),
    ("PV1", 54),
    ("PV2", 50),
    ("PYE", 6),
    ("QAK", 6),
    ("QID", 2),
    ("QPD", 3),
    ("QRD", 12),
    ("QRF", 10),
    ("QRI", 3),
    ("RCP", 7),
    ("RDF", 2),
    ("RDT", 1),
    ("REL", 16),
    ("RF1", 24),
    ("RFI", 4),
    ("RGS", 3),
    ("RMI", 3),
    ("ROL", 14),
    ("RQ1", 7),
    ("RQD", 10),
    ("RXA", 29),
    ("RXC", 11),
    ("RXD", 36),
    ("RXE", 45),
    ("RXG", 34),
    ("RXO", 36),
    ("RXR", 6),
    ("RXV", 22),
    ("SAC", 55),
    ("SCD", 37),
    ("SCH", 27),
    ("SCP", 8),
    ("SDD", 7),
    ("SFT", 6),
    ("SGH", 2),
    ("SGT", 2),
    ("SHP", 11),
    ("SID", 4),
    ("SLT", 5),
    ("SPM", 35),
    ("STF", 42),
    ("STZ", 4),
    ("TCC", 15),
    ("TCD", 11),
    ("TQ1", 14),
    ("TQ2", 10),
    ("TXA", 28),
    ("UAC", 2),
    ("UB1", 23),
    ("UB2", 17),
    ("VAR", 6),
    ("VND", 12),
];

/// How many fields a standard segment has; `None` for one that the standard does not know.
pub(crate) fn fields(name: &str) -> Option<u16> {
    SEGMENTS.binary_search_by(|known| known.0.cmp(name)).ok().map(|n| SEGMENTS[n].1)
}

/// The segments of the structures of ADT messages (HL7 v2.9, chapter 3, with what v2.5 has besides), which have no
/// groups here. The sender's own, beginning with Z, may stand in any message.
const IN_ADT: &str = "ACC AL1 ARV AUT BHS BTS DB1 DG1 DRG DSC EVN FHS FTS GT1 IAM IAR IN1 IN2 IN3 MRG MSH NK1 NPU NTE \
OBX OH1 OH2 OH3 OH4 PD1 PDA PID PR1 PRT PV1 PV2 RF1 ROL SFT UAC UB1 UB2";

/// Whether a message of that type (MSH-9.1) can have a segment; `None` where the structures of the type are not known.
pub(crate) fn in_message(kind: &str, segment: &str) -> Option<bool> {
    (kind == "ADT").then(|| segment.starts_with('Z') || IN_ADT.split(' ').any(|known| known == segment))
}

/// The data types of fields that have components, of the segments that Japan sends: `PID CX=3` is PID-3, of type CX
/// (HL7 v2.5, the segments' attribute tables, as SS-MIX2 Ver.1.2 uses them). A text (ST, IS) is not among them: what
/// sites write into it is their own.
const TYPES: &[&str] = &[
    "MSH TS=7",
    "EVN TS=2 TS=3 XCN=5 TS=6",
    "PID CX=3 XPN=5 TS=7 XAD=11 XTN=13 XTN=14 TS=33",
    "NK1 XPN=2 CWE=3 XAD=4 XTN=5 XTN=6 XON=13",
    "PV1 PL=3 PL=6 XCN=7 XCN=17 TS=44 TS=45",
    "PV2 PL=1 TS=8 TS=9 TS=47",
    "OBX CWE=3 CWE=6 TS=14",
    "AL1 CWE=2 CWE=3",
    "IN1 CWE=2 CX=3 XON=4 CX=10 XON=11 DT=12 DT=13 CWE=17",
    "IAM CWE=2 CWE=3 CWE=4 EI=7 CWE=9 CWE=10 DT=11 TS=13 XPN=14 CWE=15 CWE=17 XCN=18 XON=19 TS=20",
    "PRB TS=2 CWE=3 EI=4 EI=5 TS=7 TS=8 TS=9 CWE=10 CWE=11 CWE=12 CWE=13 CWE=14 TS=15 TS=16 TS=17 CWE=18 CWE=19 CWE=21 CWE=22 CWE=23 CWE=25",
    "ORC EI=2 EI=3 EI=4 TS=9 XCN=10 XCN=12 PL=13 TS=15 CWE=16 CWE=17 CWE=18 XON=21 XAD=22 XTN=23 CWE=29",
    "TQ1 CQ=2 TM=4 CQ=5 CQ=6 TS=7 TS=8 CWE=9 CQ=13",
    "ODS CWE=2 CWE=3",
    "RXE CWE=2 CWE=5 CWE=6 CWE=7 CWE=11 XCN=13 XCN=14 TS=18 CQ=19 CWE=21 CWE=24 CWE=26 CWE=27 CWE=29 TS=32 CWE=34 CWE=35 CWE=37 CWE=38 CWE=40 XAD=41 PL=42 XAD=43",
    "RXR CWE=1 CWE=2 CWE=3 CWE=4",
    "RXA TS=3 TS=4 CWE=5 CWE=7 CWE=8 CWE=9 XCN=10 CWE=14 TS=16 CWE=17 CWE=18 CWE=19 TS=22 CWE=24 CWE=25",
    "RXC CWE=2 CWE=4 CWE=6 CWE=7 CWE=9",
    "CTI EI=1 CWE=2 CWE=3",
    "SPM CWE=4 CWE=8",
    "OBR EI=2 EI=3 CWE=4 TS=7 TS=8 CWE=12 XCN=16 TS=22 XCN=28 TS=36",
    "IPC EI=1 EI=2 EI=3 EI=4 CWE=5 CWE=6 EI=7 CWE=8",
];

/// The most components of a data type, in its newest published form.
const COMPONENTS: &[(&str, u16)] = &[
    ("CQ", 2),
    ("CWE", 22),
    ("CX", 12),
    ("DT", 2),
    ("EI", 4),
    ("PL", 11),
    ("TM", 2),
    ("TS", 2),
    ("XAD", 23),
    ("XCN", 25),
    ("XON", 10),
    ("XPN", 15),
    ("XTN", 18),
];

/// The data type of a field and how many components it has; `None` where that is not known.
pub(crate) fn components(segment: &str, field: u16) -> Option<(&'static str, u16)> {
    let line = TYPES.iter().find(|line| line.split(' ').next() == Some(segment))?;
    let (name, _) = line
        .split(' ')
        .filter_map(|word| word.split_once('='))
        .find(|(_, number)| number.parse() == Ok(field))?;
    COMPONENTS.iter().find(|(known, _)| *known == name).copied()
}

/// A data type with how many components it has: of a map that is for one (`for = "XCN"`), and of a datatype map that is
/// named after one (`XPN.jp`). `None` for any other name.
pub(crate) fn data_type(name: &str) -> Option<(&'static str, u16)> {
    COMPONENTS.iter().find(|(known, _)| *known == name).copied()
}

#[cfg(test)]
mod tests {
    use super::{COMPONENTS, IN_ADT, SEGMENTS, TYPES, components, fields, in_message};

    #[test]
    fn the_segments_of_a_message_are_segments() {
        let all: Vec<&str> = IN_ADT.split(' ').collect();
        assert!(all.iter().all(|name| fields(name).is_some()) && all.is_sorted(), "{all:?}");
        for (kind, segment, has) in [
            ("ADT", "PV1", Some(true)),
            ("ADT", "ZA1", Some(true)),
            ("ADT", "PRB", Some(false)),
            ("RDE", "PRB", None),
        ] {
            assert_eq!(in_message(kind, segment), has, "{kind} {segment}");
        }
    }

    #[test]
    fn the_types_of_fields_are_of_segments_and_fields_that_there_are() {
        for line in TYPES {
            let mut words = line.split(' ');
            let segment = words.next().unwrap();
            let most = fields(segment).unwrap_or_else(|| panic!("{segment}"));
            for word in words {
                let (name, field) = word.split_once('=').unwrap();
                assert!((1..=most).contains(&field.parse().unwrap()), "{line}");
                assert!(COMPONENTS.iter().any(|(known, _)| *known == name), "{line}");
            }
        }
        assert_eq!(components("PID", 3), Some(("CX", 12)));
        assert_eq!(components("OBX", 5), None);
    }

    #[test]
    fn the_list_is_sorted_and_knows_what_japan_sends() {
        assert!(SEGMENTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, most) in [("PID", 40), ("OBX", 33), ("ORC", 38), ("PRB", 28), ("SPM", 35)] {
            assert_eq!(fields(name), Some(most));
        }
        assert_eq!(fields("PIX"), None);
    }
}
