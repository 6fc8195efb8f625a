//! Passwords, one-time codes and second factors: made and checked, never kept here.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::OnceLock;
use totp_rs::Totp;

/// Characters of a password at least: long and easy to remember goes before short and odd.
pub const MIN_CHARS: usize = 12;
/// Characters of a password at most: hashing a novel costs as much as it is long.
pub const MAX_CHARS: usize = 256;
/// How long a one-time code on paper can be used.
pub const INVITATION_MS: i64 = 7 * 24 * 3_600_000;
/// Bytes of a TOTP secret, as RFC 4226 recommends.
pub const SECRET_BYTES: usize = 20;
/// Recovery codes that are printed.
pub const RECOVERY_CODES: usize = 10;
/// Letters and digits that are not taken for one another on paper.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const SALT_BYTES: usize = 16;

/// Bytes from the system's generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// The argon2id hash of a password, with the crate's parameters (19 MiB, two passes: those of OWASP).
pub fn hash(password: &str) -> String {
    let salt = random::<SALT_BYTES>();
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("a salt of 16 bytes and a password of bounded length can be hashed")
        .to_string()
}

/// Checks a password against a hash, or, where there is nobody, against one that nothing fits: the work is the
/// same, and counted.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let nobody = NOBODY.get_or_init(|| self::hash(&code(4)));
    metrics::counter!("renkei_console_password_verifications_total").increment(1);
    let known = hash.and_then(|hash| PasswordHash::new(hash).ok());
    let Some(against) =
        known.as_ref().map_or_else(|| PasswordHash::new(nobody).ok(), |hash| Some(hash.clone()))
    else {
        return false;
    };
    let password: String = password.chars().take(MAX_CHARS).collect();
    Argon2::default().verify_password(password.as_bytes(), &against).is_ok() && known.is_some()
}

/// A code for paper: `groups` of five letters and digits, 24 bits each.
pub fn code(groups: usize) -> String {
    let group = |_| {
        random::<5>().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).iter().collect()
    };
    (0..groups).map(group).collect::<Vec<String>>().join("-")
}

/// A code as somebody typed it: full width, spaces, hyphens and capitals make no difference.
pub fn typed(code: &str) -> String {
    code.chars()
        .map(|c| {
            char::from_u32(u32::from(c).wrapping_sub(0xfee0)).filter(char::is_ascii_graphic).unwrap_or(c)
        })
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Why a new password is not taken: the key of a sentence.
pub fn unfit(password: &str, again: &str, name: &str) -> Option<&'static str> {
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        Some("password.short")
    } else if chars > MAX_CHARS {
        Some("password.long")
    } else if password.to_lowercase().contains(&name.to_lowercase()) {
        Some("password.name")
    } else if password != again {
        Some("password.differs")
    } else {
        None
    }
}

/// The generator of a secret: SHA-1, six digits, 30 seconds, one step of tolerance either way, because that is
/// what every authenticator understands.
pub fn totp(secret: &[u8]) -> Totp {
    totp_rs::Builder::new().with_secret(secret.to_vec()).with_skew(1).build_noncompliant()
}

/// A second in which codes are counted.
pub fn seconds(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1_000).unwrap_or_default()
}

/// The code of a secret now.
pub fn current(secret: &[u8], now_ms: i64) -> String {
    totp(secret).generate(seconds(now_ms)).to_string()
}

/// What an authenticator reads from the QR code.
pub fn address(secret: &[u8], name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("otpauth://totp/renkei-bridge:{name}?secret={}&issuer=renkei-bridge", base32(secret))
}

/// A secret as it is typed by hand: RFC 4648 base 32 without padding.
pub fn base32(secret: &[u8]) -> String {
    totp_rs::Secret::from(secret.to_vec()).to_base32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_and_nobody_s_fits_nothing() {
        let made = hash("correct horse battery");
        assert!(made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{made}");
        assert!(verify("correct horse battery", Some(&made)));
        assert!(!verify("correct horse batterx", Some(&made)));
        assert!(!verify("anything", None) && !verify("", Some("")));
    }

    #[test]
    fn a_new_password_is_long_and_typed_twice() {
        let check =
            |password, again, expected| assert_eq!(unfit(password, again, "sato"), expected, "{password}");
        check("elevenchars", "elevenchars", Some("password.short"));
        check("twelve chars", "twelve chars", None);
        check("十二文字以上の合言葉です", "十二文字以上の合言葉です", None);
        check("Sato is my name", "Sato is my name", Some("password.name"));
        check("twelve chars", "twelve charS", Some("password.differs"));
        let long = "x".repeat(MAX_CHARS + 1);
        check(&long, &long, Some("password.long"));
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // RFC 6238 appendix B, SHA-1, at 59 s and 1111111109 s: the last six of eight digits.
        let secret = b"12345678901234567890";
        assert_eq!(current(secret, 59_000), "287082");
        assert_eq!(current(secret, 1_111_111_109_000), "081804");
        assert_eq!(totp(secret).check("287082", 59), Some(1));
        assert_eq!(totp(secret).check("287082", 89), Some(1), "one step late");
        assert_eq!(totp(secret).check("287082", 0), Some(1), "one step early");
        assert_eq!(totp(secret).check("287082", 90), None, "two steps late");
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        assert_eq!(typed(" １２３ 456 "), "123456");
        assert_eq!(typed("AB2CD-ｅｆ３ｇｈ"), "ab2cdef3gh");
        let made = code(2);
        assert_eq!((made.len(), typed(&made).len()), (11, 10), "{made}");
        assert_ne!(code(2), made);
    }

    #[test]
    fn the_address_names_the_person_and_the_secret() {
        // RFC 4648: "foobar" = MZXW6YTBOI
        assert_eq!(
            address(b"foobar", "sato.h"),
            "otpauth://totp/renkei-bridge:sato.h?secret=MZXW6YTBOI&issuer=renkei-bridge"
        );
    }
}
