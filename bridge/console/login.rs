//! ログイン: name and password, then the code; the first time, a second factor is set up in between.
//!
//! A failure says the same whatever was wrong, and costs one verification of a password whoever was named.

use super::answer::{Answer, Failure};
use super::dispatch::{Asked, Console, SESSION, csrf, rendered, same};
use super::door::Pending;
use super::page::{CodePage, EnrollPage, LoginPage, RecoveryPage};
use super::request::Values;
use super::rights::{self, Method};
use super::{password, qr};
use std::sync::Arc;

/// Where a form that came too late is shown again.
pub(super) const AGAIN: &str = "/login/again";
/// The cookie of a sign-in under way.
const DOOR: &str = "door";
/// A clock that is off by more is why codes fail: said on the page.
const CLOCK_OFF_MS: i64 = 30_000;
/// Longest name that is looked up.
const MAX_NAME_CHARS: usize = 64;

/// Whether an address is the sign-in's.
pub(super) fn is_its(path: &str) -> bool {
    matches!(path, "/login" | "/login/totp" | "/login/enroll")
}

/// Answers one of its addresses.
pub(super) async fn answer(console: Arc<Console>, asked: Asked, form: Values) -> Answer {
    let token = asked.cookie(DOOR).filter(|token| token.len() == 64).map(str::to_owned);
    let Some(token) = token else {
        // The first time here, or cookies are refused: the form is shown, and shown again.
        let stale = asked.method == Method::Post;
        let token: String = password::random::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
        let page = Sign { console: &console, asked: &asked, token: &token };
        let next = form.get("next").or(asked.query.get("next")).unwrap_or("/");
        let answer = page.login(form.text("name"), next, stale.then_some("login.stale"));
        return answer.cookie(DOOR, &token);
    };
    if asked.method == Method::Post && !same(form.get("csrf").unwrap_or_default(), &csrf(&token)) {
        let page = Sign { console: &console, asked: &asked, token: &token };
        let next = form.get("next").unwrap_or("/");
        return page.login(form.text("name"), next, Some("login.stale"));
    }
    if asked.method == Method::Post && asked.path == "/login" {
        let name: String = form.text("name").chars().take(MAX_NAME_CHARS).collect();
        let attempts = console.door.attempt(&name, asked.peer, asked.now_ms);
        tokio::time::sleep((console.state.delay)(attempts)).await;
    }
    let Ok(_permit) = console.hashing.acquire().await else {
        return console.failed(&asked, None, &Failure::Internal("the console is closing"));
    };
    let (inside, path, method) = (console.clone(), asked.path.clone(), asked.method);
    let answered = tokio::task::spawn_blocking(move || {
        let page = Sign { console: &inside, asked: &asked, token: &token };
        let answer = match (method, path.as_str()) {
            (Method::Get, "/login") => Ok(page.login("", asked.query.get("next").unwrap_or("/"), None)),
            (Method::Post, "/login") => page.password(&form),
            (Method::Get, "/login/totp") => page.code(),
            (Method::Post, "/login/totp") => page.try_code(&form),
            (Method::Get, _) => page.enroll(None),
            (Method::Post, _) => page.try_enroll(&form),
        };
        answer.unwrap_or_else(|failure| inside.failed(&asked, None, &failure))
    });
    answered.await.unwrap_or_else(|_| rendered(Err(Failure::Internal("the sign-in has panicked"))))
}

/// One request of a sign-in.
struct Sign<'a> {
    console: &'a Console,
    asked: &'a Asked,
    token: &'a str,
}

impl Sign<'_> {
    fn now_ms(&self) -> i64 {
        self.asked.now_ms
    }

    /// How far the clock is off, in seconds, where that is known and too far.
    fn clock_off(&self) -> Option<i64> {
        (self.console.state.clock_offset_ms)().filter(|off| off.abs() > CLOCK_OFF_MS).map(|off| off / 1_000)
    }

    fn login(&self, name: &str, next: &str, problem: Option<&'static str>) -> Answer {
        let mut frame = self.console.frame(self.asked, "login.title");
        frame.mistake = problem.is_some();
        let page = LoginPage {
            frame,
            csrf: csrf(self.token),
            name: name.to_owned(),
            next: inside(next),
            problem,
            clock_off_s: self.clock_off(),
        };
        rendered(Answer::page(&page)).status(if problem.is_some() { 422 } else { 200 })
    }

    /// The password: right or wrong, what follows is the page of the code.
    fn password(&self, form: &Values) -> Result<Answer, Failure> {
        let users = self.console.state.store.users();
        let name: String = form.text("name").chars().take(MAX_NAME_CHARS).collect();
        // A name that is nobody's may be a patient's or a password typed into the wrong field: looked up, and
        // never written anywhere.
        let known = users.credentials(&name)?.filter(|known| {
            let expired = known.user.temporary_until_ms.is_some_and(|until| until < self.now_ms());
            !known.user.stopped && !expired
        });
        let given = form.get("password").unwrap_or_default();
        let given = match &known {
            Some(known) if known.user.temporary_until_ms.is_some() => password::typed(given),
            _ => given.to_owned(),
        };
        let right = password::verify(&given, known.as_ref().map(|known| known.password.as_str()));
        if !right {
            self.failed(known.as_ref().map(|known| known.user.name.as_str()))?;
        }
        let right = known.filter(|_| right);
        let enroll = right
            .as_ref()
            .is_some_and(|known| known.totp.is_none() || known.user.temporary_until_ms.is_some());
        let pending = Pending {
            name,
            user: right.as_ref().map(|known| known.user.id),
            next: inside(form.get("next").unwrap_or("/")),
            secret: right.as_ref().filter(|known| known.totp.is_none()).map(|_| password::random()),
            temporary: right.as_ref().is_some_and(|known| known.user.temporary_until_ms.is_some()),
        };
        self.console.door.begin(self.token, pending, self.now_ms());
        Ok(Answer::see_other(if enroll { "/login/enroll" } else { "/login/totp" }))
    }

    fn failed(&self, name: Option<&str>) -> Result<(), Failure> {
        let audit = self.console.state.store.audit();
        audit.append(name.unwrap_or("-"), "sign-in-failed", "", &self.asked.peer.to_string())?;
        Ok(())
    }

    fn code(&self) -> Result<Answer, Failure> {
        let Some(pending) = self.console.door.begun(self.token, self.now_ms()) else {
            return Ok(Answer::see_other("/login"));
        };
        // In the demonstration nobody has a phone with the secret: the page shows the code.
        let shown = if self.console.state.demo {
            let known = self.console.state.store.users().credentials(&pending.name)?;
            let secret = known.filter(|_| pending.user.is_some()).and_then(|known| known.totp);
            secret.map(|secret| password::current(&secret, self.now_ms()))
        } else {
            None
        };
        let frame = self.console.frame(self.asked, "totp.title");
        Answer::page(&CodePage { frame, csrf: csrf(self.token), shown, clock_off_s: self.clock_off() })
    }

    fn try_code(&self, form: &Values) -> Result<Answer, Failure> {
        let Some(pending) = self.console.door.take(self.token, self.now_ms()) else {
            return Ok(Answer::see_other("/login"));
        };
        let users = self.console.state.store.users();
        let known = users
            .credentials(&pending.name)?
            .filter(|known| pending.user == Some(known.user.id) && !known.user.stopped && !pending.temporary);
        let given = password::typed(form.text("code"));
        let right = match known.as_ref().and_then(|known| Some((known, known.totp.as_ref()?))) {
            None => None,
            Some((known, secret)) => {
                let step = password::totp(secret).check(&given, password::seconds(self.now_ms()));
                match step {
                    Some(step) if users.use_step(known.user.id, step)? => Some("totp"),
                    Some(_) => None,
                    None if users.use_recovery(known.user.id, &given)? => Some("recovery-code"),
                    None => None,
                }
            }
        };
        match (known, right) {
            (Some(known), Some(how)) => self.signed_in(&known.user, how, &pending),
            (known, _) => {
                // A wrong password was written down when it was given.
                if let Some(known) = known {
                    self.failed(Some(&known.user.name))?;
                }
                Ok(self.login(&pending.name, &pending.next, Some("login.failed")))
            }
        }
    }

    /// Opens the session and goes where the person was going.
    fn signed_in(&self, user: &crate::store::User, how: &str, pending: &Pending) -> Result<Answer, Failure> {
        let token = self.open(user, how)?;
        let late = self.console.door.keeps(user.id, self.now_ms());
        let to = if late { AGAIN } else { pending.next.as_str() };
        Ok(Answer::see_other(to).cookie(SESSION, &token).without_cookie(DOOR))
    }

    fn open(&self, user: &crate::store::User, how: &str) -> Result<String, Failure> {
        let store = &self.console.state.store;
        store.audit().append(&user.name, "sign-in", how, &self.asked.peer.to_string())?;
        self.console.door.done(&user.name, self.asked.peer, self.now_ms());
        Ok(store.users().open_session(user.id, self.now_ms())?)
    }

    /// The page on which the password is chosen and the second factor set up.
    fn enroll(&self, problem: Option<&'static str>) -> Result<Answer, Failure> {
        let begun = self.console.door.begun(self.token, self.now_ms());
        let Some(pending) = begun.filter(|pending| pending.user.is_some()) else {
            return Ok(Answer::see_other("/login"));
        };
        if pending.secret.is_none() && !pending.temporary {
            return Ok(Answer::see_other("/login/totp"));
        }
        let mut frame = self.console.frame(self.asked, "enroll.title");
        frame.mistake = problem.is_some();
        let secret = pending.secret.map(|secret| {
            let qr = qr::path(&password::address(&secret, &pending.name));
            (qr, password::base32(&secret))
        });
        let page = EnrollPage {
            frame,
            csrf: csrf(self.token),
            name: pending.name,
            temporary: pending.temporary,
            secret,
            problem,
            clock_off_s: self.clock_off(),
        };
        Ok(Answer::page(&page)?.status(if problem.is_some() { 422 } else { 200 }))
    }

    fn try_enroll(&self, form: &Values) -> Result<Answer, Failure> {
        let begun = self.console.door.begun(self.token, self.now_ms());
        let Some((pending, id)) = begun.and_then(|pending| pending.user.map(|id| (pending, id))) else {
            return Ok(Answer::see_other("/login"));
        };
        let users = self.console.state.store.users();
        // What was right when the password was asked may have been changed since.
        let Some(known) = users.credentials(&pending.name)?.filter(|known| {
            known.user.id == id && !known.user.stopped && known.totp.is_none() == pending.secret.is_some()
        }) else {
            return Ok(Answer::see_other("/login"));
        };
        let chosen = form.get("password").unwrap_or_default();
        if pending.temporary
            && let Some(problem) =
                password::unfit(chosen, form.get("again").unwrap_or_default(), &known.user.name)
        {
            return self.enroll(Some(problem));
        }
        let code = password::typed(form.text("code"));
        let secret = pending.secret.map(|secret| secret.to_vec()).or_else(|| known.totp.clone());
        let step = secret
            .as_ref()
            .and_then(|secret| password::totp(secret).check(&code, password::seconds(self.now_ms())));
        let fresh = match step {
            Some(step) if pending.secret.is_some() || users.use_step(id, step)? => Some(step),
            _ => None,
        };
        let Some(step) = fresh else { return self.enroll(Some("enroll.code")) };
        self.console.door.take(self.token, self.now_ms());
        if pending.temporary {
            users.set_password(id, &password::hash(chosen), None)?;
            self.console.state.store.audit().append(
                &known.user.name,
                "password-set",
                &known.user.name,
                "",
            )?;
        }
        let Some(secret) = pending.secret else { return self.signed_in(&known.user, "totp", &pending) };
        users.set_totp(id, Some(&secret))?;
        users.use_step(id, step)?;
        let codes: Vec<String> = (0..password::RECOVERY_CODES).map(|_| password::code(2)).collect();
        users.set_recovery(id, &codes.iter().map(|code| password::typed(code)).collect::<Vec<_>>())?;
        self.console.state.store.audit().append(
            &known.user.name,
            "second-factor-set",
            &known.user.name,
            "",
        )?;
        let token = self.open(&known.user, "enroll")?;
        let frame = self.console.frame(self.asked, "recovery.title");
        let page = RecoveryPage { frame, codes, next: pending.next };
        Ok(Answer::page(&page)?.cookie(SESSION, &token).without_cookie(DOOR))
    }
}

/// An address of ours that can be looked at, or the first page: never another site's.
fn inside(next: &str) -> String {
    let path = next.split('?').next().unwrap_or_default();
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic());
    let ours = plain && rights::find(Method::Get, path).is_some();
    if ours { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn nobody_is_led_to_another_site() {
        let check = |next, expected: &str| assert_eq!(inside(next), expected, "{next}");
        check("/", "/");
        check("/?refresh=off", "/?refresh=off");
        for elsewhere in
            ["//evil.example/", "https://evil.example/", "/\\evil.example", "/nowhere", "", "/\r\nX: y"]
        {
            check(elsewhere, "/");
        }
    }
}
