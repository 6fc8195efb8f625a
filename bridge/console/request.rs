//! What a page is asked: who asks, the address, the form.

use super::page::{Frame, Person};
use super::rights::Role;
use super::{ConsoleState, FacilityInfo, Failure};
use crate::store::FacilityStore;
use renkei_translate::finding::Language;
use std::sync::Arc;

/// Values by name, in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(pub Vec<(String, String)>);

impl Values {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    /// The first value of a name without the white space around it; nothing where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }
    /// Every value of a name, as checkboxes send them.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    /// Reads `a=b&c=d`.
    pub fn parse(text: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(text)
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
        )
    }
    /// Writes `a=b&c=d`.
    pub fn encoded(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// A percent-encoded part of an address; `None` where it is not UTF-8.
pub(super) fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// A file that a form brought.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// The name of the field.
    pub field: String,
    /// The name of the file, as the browser says.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({}, {} bytes)", self.field, self.bytes.len())
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The number of the person.
    pub id: i64,
    /// The name that is typed to sign in: it stands in the audit trail.
    pub name: String,
    /// 氏名.
    pub display: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Codes of the facilities that the rights are bounded by; `None` = all.
    pub facilities: Option<Vec<String>>,
    /// What every form carries.
    pub csrf: String,
    /// Choices for the screen.
    pub settings: Settings,
    pub(super) token: String,
}

impl SignedIn {
    /// Whether one of the roles is theirs.
    pub fn is(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }
    /// Whether their rights reach that facility.
    pub fn reaches(&self, facility: &str) -> bool {
        self.facilities.as_ref().is_none_or(|codes| codes.iter().any(|code| code == facility))
    }
}

/// A person's choices for the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `light` or `dark`; the system's where none is chosen.
    pub theme: Option<&'static str>,
    /// Rows of 40 pixels in place of 32.
    pub relaxed: bool,
    /// Whether single keys act.
    pub keys: bool,
}

impl Settings {
    /// Reads what [`Settings::written`] wrote; anything else is the default.
    pub fn read(text: &str) -> Self {
        let has = |word: &str| text.split(' ').any(|part| part == word);
        let theme = ["light", "dark"].into_iter().find(|theme| has(theme));
        Self { theme, relaxed: has("relaxed"), keys: !has("no-keys") }
    }
    /// As it is kept.
    pub fn written(&self) -> String {
        let parts = [self.theme, self.relaxed.then_some("relaxed"), (!self.keys).then_some("no-keys")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A page is asked for by somebody who may have it.
#[derive(Debug)]
pub struct Request {
    /// What the console is given to show.
    pub state: Arc<ConsoleState>,
    /// Who asks.
    pub user: SignedIn,
    /// The parameters of the address, in order.
    pub params: Vec<String>,
    /// What stands behind the `?`.
    pub query: Values,
    /// The form of a POST.
    pub form: Values,
    /// Its files.
    pub files: Vec<Upload>,
    /// The language to answer in.
    pub language: Language,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

impl Request {
    /// The frame of a page: `at` is the address of the menu that is current, `title` a key.
    pub fn frame(&self, at: &'static str, title: &'static str) -> Frame {
        Frame::new(&self.state, self.language, self.now_ms, at, title)
            .with_query(&self.query)
            .with_person(Person::of(&self.user))
    }

    /// The n-th parameter of the address.
    pub fn param(&self, index: usize) -> &str {
        self.params.get(index).map(String::as_str).unwrap_or_default()
    }

    /// The facilities that the person's rights reach, in the order of the configuration.
    pub fn facilities(&self) -> impl Iterator<Item = &FacilityInfo> {
        self.state.facilities.iter().filter(|info| self.user.reaches(&info.code))
    }

    /// The store of a facility that the person's rights reach.
    ///
    /// # Errors
    /// Not found, whether it is not there or not theirs.
    pub fn facility(&self, code: &str) -> Result<Arc<FacilityStore>, Failure> {
        let reached = self.user.reaches(code).then(|| self.state.store.facility(code)).flatten();
        reached.ok_or(Failure::NotFound)
    }

    /// Writes the audit trail. Never a patient value in it.
    ///
    /// # Errors
    /// The database: then the action must not happen.
    pub fn audit(&self, action: &str, target: &str, detail: &str) -> Result<u64, Failure> {
        Ok(self.state.store.audit().append(&self.user.name, action, target, detail)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_written_and_nonsense_is_the_default() {
        let chosen = Settings { theme: Some("dark"), relaxed: true, keys: false };
        assert_eq!(Settings::read(&chosen.written()), chosen);
        let default = Settings { theme: None, relaxed: false, keys: true };
        assert_eq!(Settings::read(""), default);
        assert_eq!(Settings::read("pink {}"), default);
    }

    #[test]
    fn forms_are_read_with_every_value_in_order() {
        let values = Values::parse("a=1&b=%E6%BC%A2+%26&a=2&c".as_bytes());
        assert_eq!(values.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((values.get("b"), values.get("c"), values.get("d")), (Some("漢 &"), Some(""), None));
        assert_eq!(Values::parse(values.encoded().as_bytes()), values);
    }
}
