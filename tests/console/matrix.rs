//! Role × route × method against the matrix of the design, written here by hand once more.

use super::site::{AOBA, Site};
use renkei_bridge::console::rights::{Method, ROUTES, Role};

/// An address; who may look (V viewer, O operator, M mapping editor, A approver, K administrator, P prefecture);
/// who may act.
const MATRIX: &[(&str, &str, &str)] = &[
    ("/", "VOMAK", ""),
    ("/facilities", "VOMAK", ""),
    ("/facilities/{code}", "VOMAK", ""),
    ("/facilities/{code}/consent", "", "OK"),
    ("/facilities/{code}/consent/{key}", "OK", "OK"),
    ("/api/v1/status", "VOMAK", ""),
    ("/logout", "", "VOMAKP"),
    ("/messages", "VOMAK", "VOMAK"),
    ("/messages/{id}", "VOMAK", ""),
    ("/messages/{id}/file", "VOMAK", ""),
    ("/messages/{id}/reveal", "", "OM"),
    ("/messages/{id}/hide", "", "OM"),
    ("/messages/{id}/replay", "", "O"),
    ("/quarantine", "VOMAK", ""),
    ("/quarantine/{cause}", "VOMAK", ""),
    ("/quarantine/{cause}/release", "O", "O"),
    ("/quarantine/{cause}/discard", "O", "O"),
    ("/mappings", "VOMAK", ""),
    ("/mappings/{map}", "VOMAK", ""),
    ("/mappings/tables/{table}", "VOMAK", ""),
    ("/participation", "VOMAKP", ""),
    ("/participation/definitions", "VOMAKP", ""),
    ("/participation.csv", "VOMAKP", ""),
    ("/participation.xlsx", "VOMAKP", ""),
    // "own" is a matter of rows, not of the address.
    ("/audit", "VOMAKP", ""),
    ("/audit/export", "", "K"),
    ("/users", "K", "K"),
    ("/users/{name}", "K", ""),
    ("/users/{name}/roles", "", "K"),
    ("/users/{name}/factor", "", "K"),
    ("/users/{name}/code", "", "K"),
    ("/users/{name}/stop", "", "K"),
    ("/users/{name}/start", "", "K"),
    ("/users/{name}/delete", "", "K"),
    ("/system", "OK", ""),
    ("/me", "VOMAKP", ""),
    ("/me/password", "", "VOMAKP"),
    ("/me/settings", "", "VOMAKP"),
    ("/me/recovery", "", "VOMAKP"),
];

fn letter(role: Role) -> char {
    match role {
        Role::Viewer => 'V',
        Role::Operator => 'O',
        Role::Editor => 'M',
        Role::Approver => 'A',
        Role::Administrator => 'K',
        Role::Prefecture => 'P',
    }
}

/// Who may, by the table above.
fn expected(method: Method, path: &str) -> &'static str {
    let row = MATRIX.iter().find(|(of, _, _)| *of == path);
    let (_, look, act) = row.unwrap_or_else(|| panic!("{path} has no row in the matrix of this test"));
    if method == Method::Get { look } else { act }
}

#[test]
fn the_table_of_rights_is_the_matrix_of_the_design() {
    for route in ROUTES {
        for role in Role::ALL {
            let may = expected(route.method, route.path).contains(letter(role));
            assert_eq!(route.allow.contains(&role), may, "{:?} {} {role:?}", route.method, route.path);
        }
    }
    // Nothing that the matrix promises is missing in the table.
    for (path, look, act) in MATRIX {
        for (method, letters) in [(Method::Get, look), (Method::Post, act)] {
            let there = ROUTES.iter().any(|route| route.path == *path && route.method == method);
            assert_eq!(there, !letters.is_empty(), "{method:?} {path}");
        }
    }
}

#[test]
fn every_role_gets_what_is_theirs_and_the_same_404_for_the_rest() {
    let site = Site::start();
    for route in ROUTES {
        // An address with a parameter that means nothing is 404 for everybody: the table above covers it.
        let path = route.path.replace("{code}", AOBA);
        if path.contains('{') {
            continue;
        }
        for role in Role::ALL {
            // A session for each: some forms end it.
            let session = site.session(&[role]);
            let reply = match route.method {
                Method::Get => site.get(&path, &session),
                Method::Post => site.post(&path, &session, &[]),
            };
            let may = expected(route.method, route.path).contains(letter(role));
            let what = format!("{:?} {path} {role:?}: {} {}", route.method, reply.status, reply.location());
            if path == "/" && role == Role::Prefecture {
                assert_eq!((reply.status, reply.location()), (303, "/participation"), "{what}");
            } else if may {
                assert!(matches!(reply.status, 200 | 303 | 422), "{what}");
                let home = path == "/logout" || !reply.location().starts_with("/login");
                assert!(home, "{what}");
            } else {
                let session = site.session(&[role]);
                assert_eq!(reply.status, 404, "{what}");
                let missing = site.get("/nowhere", &session);
                assert_eq!(without_numbers(&reply.text()), without_numbers(&missing.text()), "{what}");
            }
        }
    }
}

/// A page without what differs from one request to the next: values of forms and addresses of this page.
fn without_numbers(page: &str) -> String {
    let mut parts = page.split("value=\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('"').map_or("", |(_, rest)| rest));
    }
    out
}

#[test]
fn the_menu_shows_what_opens_and_nothing_else() {
    let site = Site::start();
    for role in Role::ALL {
        let session = site.session(&[role]);
        let page = site.get("/nowhere", &session).text();
        let menu = page.split("<nav class=\"side\"").nth(1).unwrap().split("</nav>").next().unwrap();
        let shown: Vec<&str> =
            menu.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let wanted: Vec<&str> = ROUTES
            .iter()
            .filter(|route| route.menu.is_some() && expected(route.method, route.path).contains(letter(role)))
            .map(|route| route.path)
            .collect();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        let mut all = wanted.clone();
        all.sort_unstable();
        assert_eq!(sorted, all, "{role:?}");
        for path in shown {
            assert_eq!(site.get(path, &session).status, 200, "{role:?} {path}");
        }
    }
}

#[test]
fn nobody_gets_in_without_a_session_but_health_metrics_and_assets() {
    let site = Site::start();
    for open in ["/healthz", "/readyz", "/metrics", "/assets/console.css", "/login"] {
        assert_eq!(site.get_with(open, "").status, 200, "{open}");
    }
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        for cookies in ["", "session=0123456789abcdef"] {
            let reply = site.get_with(route.path, cookies);
            assert_eq!(reply.status, 303, "{}", route.path);
            assert!(reply.location().starts_with("/login"), "{}: {}", route.path, reply.location());
        }
    }
    // What does not exist is told from what does by nobody who has not signed in.
    assert_eq!(site.get_with("/nowhere", "").status, 303);
}

#[test]
fn a_bounded_right_reaches_its_facilities_alone() {
    let site = Site::start();
    let session = site.session_of("bounded", &[Role::Operator], Some(&[AOBA]));
    let page = site.get("/", &session).text();
    assert!(page.contains("架空あおば病院") && !page.contains("架空みどり病院"), "{page}");
    let status: serde_json::Value =
        serde_json::from_slice(&site.get("/api/v1/status", &session).body).unwrap();
    let rows = status["facilities"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["code"], AOBA);
}
