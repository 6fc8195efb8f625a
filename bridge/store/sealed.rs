//! Files of a backup: encrypted and authenticated in pieces, so that a large one needs no large memory.
//!
//! ChaCha20-Poly1305 from ring, which is in the program for TLS already. Each file has a key of its own, by HKDF from
//! the backup's key, a salt and the file's name in the backup: a file that is moved to another name, cut off, put
//! together from two or changed anywhere cannot be opened. The nonce of a piece is its number and whether it is the
//! last (the STREAM construction, as `age` has it). Knows nothing of what is in a file.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

/// What a sealed file begins with: the format and its version.
const MAGIC: &[u8; 8] = b"RENKEI\0\x01";
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
/// Plain bytes of a piece.
const PIECE: usize = 64 << 10;
const TAG_BYTES: usize = 16;

/// Why a sealed file cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The key's file does not hold a key.
    #[error("the backup key is not 64 hexadecimal digits")]
    Key,
    /// It is none of ours.
    #[error("not a sealed file of this program")]
    Format,
    /// Another key, or not what was written.
    #[error("it was changed, cut off or renamed, or the key is another")]
    Broken,
}

/// The key of a backup.
#[derive(Clone)]
pub struct BackupKey([u8; KEY_BYTES]);

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupKey")
    }
}

impl BackupKey {
    /// Reads a key: 64 hexadecimal digits, as `openssl rand -hex 32` writes them.
    ///
    /// # Errors
    /// A file that cannot be read or holds anything else.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    fn parse(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        let mut key = [0; KEY_BYTES];
        if text.len() != KEY_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SealError::Key);
        }
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| SealError::Key)?;
        }
        Ok(Self(key))
    }

    /// The key of one file.
    fn of_file(&self, salt: &[u8], name: &str) -> Result<LessSafeKey, SealError> {
        let secret = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let info: [&[u8]; 2] = [MAGIC, name.as_bytes()];
        let made = secret.expand(&info, &CHACHA20_POLY1305).map_err(|_| SealError::Broken)?;
        Ok(LessSafeKey::new(UnboundKey::from(made)))
    }
}

/// The nonce of a piece. Each key seals one file, so no nonce comes twice under one key.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// Fills the buffer as far as the reader goes.
fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>, size: usize) -> std::io::Result<()> {
    buffer.clear();
    reader.take(size as u64).read_to_end(buffer).map(|_| ())
}

/// Seals what the reader gives into a new file under its name in the backup; what is in the file is on the disk
/// when this returns.
///
/// # Errors
/// What could not be read or written.
pub fn seal(mut from: impl Read, to: &Path, key: &BackupKey, name: &str) -> Result<(), SealError> {
    let mut salt = [0; SALT_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut salt)?;
    let key = key.of_file(&salt, name)?;
    let mut out = BufWriter::new(super::appliance::private_file(to)?);
    out.write_all(MAGIC)?;
    out.write_all(&salt)?;
    let (mut piece, mut next) = (Vec::new(), Vec::new());
    fill(&mut from, &mut piece, PIECE)?;
    for number in 0.. {
        fill(&mut from, &mut next, PIECE)?;
        let last = next.is_empty();
        key.seal_in_place_append_tag(nonce(number, last), Aad::empty(), &mut piece)
            .map_err(|_| SealError::Broken)?;
        out.write_all(&piece)?;
        if last {
            break;
        }
        std::mem::swap(&mut piece, &mut next);
    }
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

/// Opens a sealed file and writes what is in it. What was written before an error is not to be used.
///
/// # Errors
/// What could not be read or written; a file that is not what was sealed.
pub fn open(from: &Path, mut to: impl Write, key: &BackupKey, name: &str) -> Result<(), SealError> {
    let mut file = BufReader::new(File::open(from)?);
    let mut head = [0; MAGIC.len() + SALT_BYTES];
    file.read_exact(&mut head).map_err(|_| SealError::Format)?;
    let (magic, salt) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(SealError::Format);
    }
    let key = key.of_file(salt, name)?;
    let (mut piece, mut next) = (Vec::new(), Vec::new());
    fill(&mut file, &mut piece, PIECE + TAG_BYTES)?;
    for number in 0.. {
        fill(&mut file, &mut next, PIECE + TAG_BYTES)?;
        let last = next.is_empty();
        let plain = key
            .open_in_place(nonce(number, last), Aad::empty(), &mut piece)
            .map_err(|_| SealError::Broken)?;
        to.write_all(plain)?;
        if last {
            break;
        }
        std::mem::swap(&mut piece, &mut next);
    }
    to.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

    fn opened(file: &Path, key: &str, name: &str) -> Result<Vec<u8>, SealError> {
        let mut plain = Vec::new();
        open(file, &mut plain, &BackupKey::parse(key).unwrap(), name).map(|()| plain)
    }

    #[test]
    fn what_was_sealed_is_opened_at_every_length() {
        let dir = tempfile::tempdir().unwrap();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 5] {
            let plain: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let file = dir.path().join(format!("{length}"));
            seal(plain.as_slice(), &file, &BackupKey::parse(KEY).unwrap(), "a").unwrap();
            assert_eq!(opened(&file, KEY, "a").unwrap(), plain, "{length} bytes");
            let pieces = length.div_ceil(PIECE).max(1);
            assert_eq!(std::fs::metadata(&file).unwrap().len() as usize, 24 + length + pieces * TAG_BYTES);
        }
    }

    #[test]
    fn nothing_else_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sealed");
        let key = BackupKey::parse(KEY).unwrap();
        seal(vec![7; 2 * PIECE + 9].as_slice(), &file, &key, "a").unwrap();
        let whole = std::fs::read(&file).unwrap();
        assert!(!whole.windows(8).any(|bytes| bytes == [7; 8]));
        let check = |bytes: &[u8], why: &str| {
            std::fs::write(&file, bytes).unwrap();
            assert!(opened(&file, KEY, "a").is_err(), "{why}");
        };
        // Cut between two pieces, within one, within the head.
        let second = 24 + PIECE + TAG_BYTES;
        check(&whole[..second], "cut between pieces");
        check(&whole[..second + 100], "cut within a piece");
        check(&whole[..10], "cut in the head");
        check(&[], "empty");
        for at in [0, 9, 30, second + 3, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            check(&changed, "a bit changed");
        }
        let mut swapped = whole[..24].to_vec();
        swapped.extend(&whole[second..second + PIECE + TAG_BYTES]);
        swapped.extend(&whole[24..second]);
        swapped.extend(&whole[second + PIECE + TAG_BYTES..]);
        check(&swapped, "pieces swapped");
        std::fs::write(&file, &whole).unwrap();
        assert!(opened(&file, KEY, "b").is_err(), "another name");
        assert!(opened(&file, &KEY.replace("00", "01"), "a").is_err(), "another key");
        assert!(opened(&file, KEY, "a").is_ok());
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        for wrong in ["", "00", &KEY.replace('f', "g"), &format!("{}00", KEY.trim())] {
            assert!(matches!(BackupKey::parse(wrong), Err(SealError::Key)), "{wrong}");
        }
    }
}
