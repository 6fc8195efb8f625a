//! Patient ids, telephone numbers and addresses.

use super::super::build::Made;
use super::super::item::Item;
use super::super::run::Run;
use crate::fhir::key;

/// JP Core Patient: the patient id of an institution, followed by 1 and its ten digits.
const PATIENT_SYSTEM: &str = "urn:oid:1.2.392.100495.20.3.51.1";

/// XTN.2 (HL70201) and the use that it is.
pub(super) const USES: &[(&str, &str)] =
    &[("PRN", "home"), ("VHN", "home"), ("ORN", "home"), ("WPN", "work")];

/// XTN.3 (HL70202) and the system that it is; anything else is a telephone.
pub(super) const SYSTEMS: &[(&str, &str)] = &[("PH", "phone"), ("FX", "fax"), ("BP", "pager")];

/// XAD.7 (HL70190) and the use that it is.
pub(super) const ADDRESSES: &[(&str, &str)] =
    &[("H", "home"), ("P", "home"), ("B", "work"), ("O", "work"), ("C", "temp")];

fn in_list(list: &[(&str, &'static str)], code: &str) -> Option<&'static str> {
    list.iter().find(|(from, _)| *from == code).map(|(_, to)| *to)
}

impl<'m> Run<'m> {
    pub(super) fn patient_identifier(&mut self, item: &Item<'m>) -> Result<Made, &'static str> {
        let text = item.words(1);
        if text.is_empty() {
            return Ok(None);
        }
        let value = self.context.facility.patient_id.normalise(&text);
        let mut system = String::from(PATIENT_SYSTEM);
        system.push_str(&self.context.facility.code);
        let identifier = self.arena.object();
        self.arena.put_text(identifier, key::SYSTEM, &system);
        self.arena.put_text(identifier, key::VALUE, &value);
        Ok(Some(("Identifier", identifier)))
    }

    pub(super) fn contact_point(&mut self, item: &Item<'m>) -> Result<Made, &'static str> {
        let text = |n: u16| item.words(n);
        let (usage, kind) = (text(2), text(3));
        let mail = text(4);
        // XTN.12 unformatted, else XTN.1, else area code and number.
        let number = [12u16, 1].into_iter().map(text).find(|t| !t.is_empty()).unwrap_or_else(|| {
            let parts: Vec<_> = [6u16, 7].into_iter().map(text).filter(|t| !t.is_empty()).collect();
            std::borrow::Cow::Owned(parts.join("-"))
        });
        let email = usage == "NET"
            || kind == "Internet"
            || number.contains('@')
            || (number.is_empty() && mail.contains('@'));
        let value = if email && !mail.is_empty() { mail } else { number };
        if value.is_empty() {
            return Ok(None);
        }
        let system = match kind.as_ref() {
            _ if email => "email",
            code => in_list(SYSTEMS, code).unwrap_or("phone"),
        };
        let usage = match kind.as_ref() {
            "CP" => "mobile",
            _ => in_list(USES, &usage).unwrap_or_default(),
        };
        let point = self.arena.object();
        self.arena.put_text(point, key::SYSTEM, system);
        self.arena.put_text(point, key::VALUE, &value);
        self.arena.put_text(point, key::USE, usage);
        Ok(Some(("ContactPoint", point)))
    }

    pub(super) fn address(&mut self, item: &Item<'m>) -> Result<Made, &'static str> {
        let text = |n: u16| item.words(n);
        // In Japan XAD.8 holds the whole line; else state, city and street in this order.
        let whole = text(8);
        let whole = if whole.is_empty() {
            let parts: Vec<_> = [4u16, 3, 1, 2].into_iter().map(text).filter(|t| !t.is_empty()).collect();
            std::borrow::Cow::Owned(parts.concat())
        } else {
            whole
        };
        let address = self.arena.object();
        self.arena.put_text(address, key::USE, in_list(ADDRESSES, &text(7)).unwrap_or_default());
        self.arena.put_text(address, key::TEXT, &whole);
        if !whole.is_empty() {
            let (list, line) = (self.arena.array(), self.arena.text(&whole));
            self.arena.append(list, line);
            self.arena.put(address, key::LINE, list);
        }
        self.arena.put_text(address, key::CITY, &text(3));
        self.arena.put_text(address, key::STATE, &text(4));
        self.arena.put_text(address, key::POSTAL_CODE, &text(5));
        if !whole.is_empty() || !text(5).is_empty() {
            let country = text(6);
            self.arena.put_text(address, key::COUNTRY, if country == "JPN" { "JP" } else { &country });
        }
        let bare = whole.is_empty() && text(5).is_empty();
        Ok((!bare).then_some(("Address", address)))
    }
}
