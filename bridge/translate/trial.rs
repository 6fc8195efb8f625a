//! For tests: seeds, a deterministic source of mutations, and the samples where they are at hand.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A small generator (xorshift64*), so that a failing case can be made again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() >> 33) as usize % limit }
    }

    /// A seed with a few changes: bytes set, taken out, put in, repeated; delimiters and escapes more often
    /// than chance would have them.
    pub(crate) fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        const TOKENS: &[&[u8]] = &[
            b"|",
            b"^",
            b"~",
            b"\\",
            b"&",
            b"\r",
            b"\n",
            b"\r\n",
            b"MSH",
            b"\x1b$B",
            b"\x1b(B",
            b"\x1b(I",
            b"\x1b$(D",
            b"\x1b(J",
            b"\x0e",
            b"\x0f",
            b"\x1b",
            b"\0",
            b"\x0b",
            b"\x1c",
            b"\x80",
            b"\xF0\x40",
            b"\xFB\xFC",
            b"\x8F\xB0\xA2",
            b"\xEF\xBB\xBF",
            b"\xEF\xBF\xBD",
            b"\xEE\x80\x80",
            b"\xC2\xA5",
            b"\xC3",
            b"\\X0D\\",
            b"\\.br\\",
            b"\"\"",
            b"MSH|^~\\&|",
        ];
        let mut bytes = seed.to_vec();
        for _ in 0..1 + self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.next() as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => {
                    let end = (at + self.below(8)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => bytes.truncate(at),
                4 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    bytes.splice(at..at, token.iter().copied());
                }
            }
        }
        bytes
    }
}

/// Small messages in several encodings to start from, and those of the samples.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let text = "MSH|^~\\&|A|B^C&D|||20260101||ADT^A08^ADT_A01|1|P|2.5||||||~ISO IR87\r\
        PID|1||12^^^H&O~34^5||山田^太郎^^^^^L^I~ﾔﾏﾀﾞ^タロウ||19650415|\"\"\rOBX|1|ST|a\\F\\b\\.br\\c\\X0D\\|~|\\lone|<85\r\r";
    let mut seeds = vec![
        text.as_bytes().to_vec(),
        text.replace('\r', "\n").replace('\\', "¥").into_bytes(),
        encoding_rs::ISO_2022_JP.encode(&text.replace("ﾔﾏﾀﾞ", "表")).0.into_owned(),
        encoding_rs::SHIFT_JIS.encode(text).0.into_owned(),
        encoding_rs::EUC_JP.encode(text).0.into_owned(),
        b"MSH|^~\\&|1\rNTE|\x1b$(D0\"\x1b(I6E\x1b(J\\~\x1b(B\x0e6\x0f|\x1b$B)!-!".to_vec(),
    ];
    for folder in ["ssmix2-nho", "hl7v2-microsoft"] {
        seeds.extend(samples(folder).into_iter().take(40).map(|(_, bytes)| bytes));
    }
    seeds
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples")
}

/// The files of a folder of `../shared/samples`, or none with a loud word where it is not at hand.
pub(crate) fn samples(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join(name);
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "../shared/samples/{name} must be there under CI");
        eprintln!("SKIPPED: ../shared/samples/{name} is not there");
        return Vec::new();
    }
    walk(&folder)
}

/// The 2,523 files of the generated storage, read once.
pub(crate) fn storage() -> &'static [(String, Vec<u8>)] {
    static STORAGE: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    STORAGE.get_or_init(unpack)
}

fn unpack() -> Vec<(String, Vec<u8>)> {
    let archive = folder().join("ssmix2-storage100.tar.gz");
    if !archive.is_file() {
        assert!(std::env::var_os("CI").is_none(), "../shared/samples must be there under CI");
        eprintln!("SKIPPED: ../shared/samples/ssmix2-storage100.tar.gz is not there");
        return Vec::new();
    }
    let target = std::env::temp_dir().join(format!("renkei-samples-{}", std::process::id()));
    std::fs::create_dir_all(&target).unwrap();
    let tar = std::process::Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&target).status();
    assert!(tar.unwrap().success());
    let files = walk(&target);
    std::fs::remove_dir_all(&target).unwrap();
    files
}

fn walk(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
