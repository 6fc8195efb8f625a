//! Who may do what: the one table from which routes are built, menus are made and tests walk.
//!
//! A route that a person may not use answers like one that does not exist.

use super::answer::{Answer, Failure};
use super::request::Request;
use super::{pages, sign_out};

/// What a person may be; one person may be several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 閲覧.
    Viewer,
    /// 運用.
    Operator,
    /// マッピング編集.
    Editor,
    /// 承認.
    Approver,
    /// 管理.
    Administrator,
    /// 県: aggregates only, no patient.
    Prefecture,
}

impl Role {
    /// All of them, in the order of the design's matrix.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Operator, Self::Editor, Self::Approver, Self::Administrator, Self::Prefecture];

    /// As it is stored and typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Editor => "editor",
            Self::Approver => "approver",
            Self::Administrator => crate::store::ADMINISTRATOR,
            Self::Prefecture => "prefecture",
        }
    }

    /// The role of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// The key of its name.
    pub fn key(self) -> &'static str {
        match self {
            Self::Viewer => "role.viewer",
            Self::Operator => "role.operator",
            Self::Editor => "role.editor",
            Self::Approver => "role.approver",
            Self::Administrator => "role.administrator",
            Self::Prefecture => "role.prefecture",
        }
    }
}

/// Everybody.
pub const ALL: &[Role] = &Role::ALL;
/// Everybody but the prefecture.
pub const STAFF: &[Role] = &[Role::Viewer, Role::Operator, Role::Editor, Role::Approver, Role::Administrator];

/// Those who run the appliance.
pub const OPERATORS: &[Role] = &[Role::Operator, Role::Administrator];
/// Who acts on messages.
pub const OPERATOR: &[Role] = &[Role::Operator];
/// Who may see a patient, with a reason, and try whether a cause is mended.
pub const REVEALING: &[Role] = &[Role::Operator, Role::Editor];
/// 管理 alone.
pub const ADMINISTRATOR: &[Role] = &[Role::Administrator];

/// How a page is asked for. HEAD counts as GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Looks and changes nothing.
    Get,
    /// Changes something; its form carries the session's csrf value.
    Post,
}

/// A heading of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// 見る.
    Watch,
    /// 直す.
    Mend,
    /// 進める.
    Advance,
    /// 管理.
    Administer,
}

impl Group {
    /// All of them, from the top of the menu.
    pub const ALL: [Self; 4] = [Self::Watch, Self::Mend, Self::Advance, Self::Administer];

    /// The key of its heading.
    pub fn key(self) -> &'static str {
        match self {
            Self::Watch => "menu.watch",
            Self::Mend => "menu.mend",
            Self::Advance => "menu.advance",
            Self::Administer => "menu.administer",
        }
    }
}

/// What answers: blocking, on a thread that may wait for the disk.
pub type Handler = fn(&Request) -> Result<Answer, Failure>;

/// One address, who may use it and what answers.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// How it is asked for.
    pub method: Method,
    /// `/messages/{id}`: a part in braces is one parameter.
    pub path: &'static str,
    /// Where it stands in the menu and under which key; not for addresses with parameters.
    pub menu: Option<(Group, &'static str)>,
    /// Who may.
    pub allow: &'static [Role],
    /// What answers.
    pub answer: Handler,
}

const fn get(path: &'static str, allow: &'static [Role], answer: Handler) -> Route {
    Route { method: Method::Get, path, menu: None, allow, answer }
}

const fn post(path: &'static str, allow: &'static [Role], answer: Handler) -> Route {
    Route { method: Method::Post, path, menu: None, allow, answer }
}

impl Route {
    /// The same, with a place in the menu.
    const fn menu(self, group: Group, key: &'static str) -> Self {
        Self { menu: Some((group, key)), ..self }
    }
}

/// The table. The menu shows its entries in this order under their headings.
pub static ROUTES: &[Route] = &[
    get("/", STAFF, pages::status::page).menu(Group::Watch, "status"),
    get("/facilities", STAFF, pages::facilities::list).menu(Group::Watch, "facilities"),
    get("/facilities/{code}", STAFF, pages::facilities::detail),
    post("/facilities/{code}/consent", OPERATORS, pages::consent::upload),
    get("/facilities/{code}/consent/{key}", OPERATORS, pages::consent::look),
    post("/facilities/{code}/consent/{key}", OPERATORS, pages::consent::confirm),
    get("/api/v1/status", STAFF, pages::status::json),
    get("/participation", ALL, pages::participation::page).menu(Group::Watch, "participation"),
    get("/participation/definitions", ALL, pages::participation::definitions),
    get("/participation.csv", ALL, pages::participation::csv),
    get("/participation.xlsx", ALL, pages::participation::xlsx),
    get("/messages", STAFF, pages::messages::page).menu(Group::Watch, "message"),
    post("/messages", STAFF, pages::messages::search),
    get("/messages/{id}", STAFF, pages::message::page),
    get("/messages/{id}/file", STAFF, pages::file::page),
    post("/messages/{id}/reveal", REVEALING, pages::message::reveal),
    post("/messages/{id}/hide", REVEALING, pages::message::hide),
    post("/messages/{id}/replay", OPERATOR, pages::message::replay),
    get("/quarantine", STAFF, pages::quarantine::list).menu(Group::Mend, "quarantine"),
    get("/quarantine/{cause}", STAFF, pages::quarantine::cause),
    get("/quarantine/{cause}/release", OPERATOR, pages::quarantine::confirm_release),
    post("/quarantine/{cause}/release", OPERATOR, pages::quarantine::release),
    get("/quarantine/{cause}/discard", OPERATOR, pages::quarantine::confirm_discard),
    post("/quarantine/{cause}/discard", OPERATOR, pages::quarantine::discard),
    get("/mappings", STAFF, pages::mappings::list).menu(Group::Mend, "mapping"),
    get("/mappings/{map}", STAFF, pages::mappings::map),
    get("/mappings/tables/{table}", STAFF, pages::mappings::table),
    get("/audit", ALL, pages::audit::page).menu(Group::Administer, "audit"),
    post("/audit/export", ADMINISTRATOR, pages::audit::export),
    get("/users", ADMINISTRATOR, pages::users::list).menu(Group::Administer, "users"),
    post("/users", ADMINISTRATOR, pages::users::invite),
    get("/users/{name}", ADMINISTRATOR, pages::users::one),
    post("/users/{name}/roles", ADMINISTRATOR, pages::users::roles),
    post("/users/{name}/factor", ADMINISTRATOR, pages::users::factor),
    post("/users/{name}/code", ADMINISTRATOR, pages::users::code),
    post("/users/{name}/stop", ADMINISTRATOR, pages::users::stop),
    post("/users/{name}/start", ADMINISTRATOR, pages::users::start),
    post("/users/{name}/delete", ADMINISTRATOR, pages::users::delete),
    get("/system", &[Role::Operator, Role::Administrator], pages::system::page)
        .menu(Group::Administer, "system"),
    get("/me", ALL, pages::me::page),
    post("/me/password", ALL, pages::me::password),
    post("/me/settings", ALL, pages::me::settings),
    post("/me/recovery", ALL, pages::me::recovery),
    post("/logout", ALL, sign_out),
];

/// Where somebody is sent who may not see 状況 but this.
pub const PREFECTURE_HOME: &str = "/participation";

/// A route and the parameters of an address that it fits.
pub fn find(method: Method, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let fitting = ROUTES.iter().filter(|route| route.method == method);
    let mut found: Vec<_> = fitting.filter_map(|route| Some((route, fit(route.path, path)?))).collect();
    // `/mappings/unmapped` goes before `/mappings/{map}`.
    found.sort_by_key(|(_, params)| params.len());
    found.into_iter().next()
}

/// The parameters of a path that fits a pattern, decoded.
fn fit(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(given)) if wanted.starts_with('{') => {
                let decoded = super::request::decode(given)?;
                if decoded.is_empty() {
                    return None;
                }
                params.push(decoded);
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn patterns_take_one_part_a_parameter() {
        let check = |pattern, path, expected: Option<&[&str]>| {
            let expected = expected.map(|parts| parts.iter().map(|part| (*part).to_owned()).collect());
            assert_eq!(fit(pattern, path), expected, "{pattern} {path}");
        };
        check("/", "/", Some(&[]));
        check("/messages", "/messages/", None);
        check("/messages/{id}", "/messages/12", Some(&["12"]));
        check("/messages/{id}", "/messages/%E6%BC%A2", Some(&["漢"]));
        check("/messages/{id}", "/messages/a%2Fb", Some(&["a/b"]));
        check("/messages/{id}", "/messages/", None);
        check("/messages/{id}", "/messages/1/2", None);
        check("/a/{b}/c/{d}", "/a/1/c/2", Some(&["1", "2"]));
        check("/messages/{id}", "/messages/%ff", None);
    }

    #[test]
    fn no_address_stands_twice_and_every_one_is_somebody_s() {
        let mut seen = BTreeSet::new();
        for route in ROUTES {
            let shape: Vec<&str> =
                route.path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
            assert!(seen.insert((route.method == Method::Post, shape)), "{}", route.path);
            assert!(!route.allow.is_empty(), "{}", route.path);
            assert!(route.menu.is_none() || !route.path.contains('{'), "{}", route.path);
            assert!(route.menu.is_none() || route.method == Method::Get, "{}", route.path);
        }
    }
}
