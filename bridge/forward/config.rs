//! `[[base]]`: a destination as the operator writes it.

use crate::store::Share;
use crate::units;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How a destination is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any FHIR R4 server.
    FhirRest,
}

/// A destination.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// What it is called in the ledger, the console and metrics. Never changed once something was sent.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// Its base URL; transactions are posted to it.
    #[serde(deserialize_with = "address")]
    pub url: Url,
    /// The facilities that send to it, by code; `["*"]` for all.
    #[serde(default = "everyone")]
    pub facilities: Vec<String>,
    /// Whose data it gets, in place of what the facility says.
    pub share: Option<Share>,
    /// Whether it takes transaction Bundles; otherwise single requests, referents first, deletions last.
    #[serde(default = "yes")]
    pub transactions: bool,
    /// From the first byte sent to the last byte received.
    #[serde(default = "timeout", deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// Until the connection stands, TLS included.
    #[serde(default = "connect_timeout", deserialize_with = "units::duration")]
    pub connect_timeout: Duration,
    /// Certificates, for `https`.
    pub tls: Option<Tls>,
    /// Requests in flight per facility. Not shared, so that a slow facility takes nothing from another.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// Before the first repeat; doubled with each, drawn between nothing and that.
    #[serde(default = "retry_min", deserialize_with = "units::duration")]
    pub retry_min: Duration,
    /// The longest wait between repeats, and between probes of a base that refuses the credentials.
    #[serde(default = "retry_max", deserialize_with = "units::duration")]
    pub retry_max: Duration,
    /// When sending pauses because the base fails.
    #[serde(default)]
    pub breaker: BreakerSettings,
}

/// Certificates of a destination, PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The institution's certificate chain.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// Who the base's certificate must be from, instead of those whom the system trusts.
    pub ca: Option<PathBuf>,
}

/// When sending pauses because the base fails.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Failures in a row, of any delivery of the facility, that may mend by themselves.
    pub failures: u32,
    /// Until the first probe; doubled with each that fails, up to `retry_max`.
    #[serde(deserialize_with = "units::duration")]
    pub pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(5) }
    }
}

impl Base {
    /// A destination with the default settings.
    pub fn new(name: impl Into<String>, url: Url) -> Self {
        Self {
            name: name.into(),
            kind: Kind::FhirRest,
            url,
            facilities: everyone(),
            share: None,
            transactions: yes(),
            timeout: timeout(),
            connect_timeout: connect_timeout(),
            tls: None,
            concurrency: concurrency(),
            retry_min: retry_min(),
            retry_max: retry_max(),
            breaker: BreakerSettings::default(),
        }
    }

    /// Whether this facility sends to it.
    pub fn serves(&self, facility: &str) -> bool {
        self.facilities.iter().any(|listed| listed == "*" || listed == facility)
    }

    /// What is wrong with the settings: setting and sentence. Files are looked at by [`super::Client::open`].
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let mut wrong = Vec::new();
        let mut say = |bad: bool, setting, sentence| {
            if bad {
                wrong.push((setting, sentence));
            }
        };
        say(self.name.is_empty(), "name", "a base needs a name");
        say(!matches!(self.url.scheme(), "http" | "https"), "url", "the url begins with http:// or https://");
        say(
            self.url.query().is_some() || self.url.fragment().is_some(),
            "url",
            "the url has no query and no fragment",
        );
        say(self.url.password().is_some(), "url", "the url holds no password");
        say(self.facilities.is_empty(), "facilities", "name the facilities that send here, or \"*\" for all");
        say(self.concurrency == 0, "concurrency", "at least one request at a time is needed");
        say(self.timeout.is_zero(), "timeout", "the timeout is longer than nothing");
        say(self.connect_timeout.is_zero(), "connect_timeout", "the timeout is longer than nothing");
        say(self.retry_min.is_zero(), "retry_min", "the wait is longer than nothing");
        say(self.retry_max < self.retry_min, "retry_max", "retry_max is not shorter than retry_min");
        say(self.breaker.failures == 0, "breaker.failures", "at least one failure opens the breaker");
        say(self.breaker.pause.is_zero(), "breaker.pause", "the pause is longer than nothing");
        if let Some(tls) = &self.tls {
            say(self.url.scheme() != "https", "tls", "certificates need a url that begins with https://");
            say(
                tls.client_cert.is_some() != tls.client_key.is_some(),
                "tls.client_key",
                "client_cert and client_key go together",
            );
        }
        wrong
    }
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom("an address is written like \"https://base.example/fhir\""))
}

fn everyone() -> Vec<String> {
    vec!["*".into()]
}

fn yes() -> bool {
    true
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

fn connect_timeout() -> Duration {
    Duration::from_secs(10)
}

fn concurrency() -> usize {
    4
}

fn retry_min() -> Duration {
    Duration::from_secs(1)
}

fn retry_max() -> Duration {
    Duration::from_secs(15 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Base, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn three_settings_are_enough() {
        let base = read("name = \"b\"\nkind = \"fhir-rest\"\nurl = \"http://h/fhir\"").unwrap();
        assert!(base.transactions && base.serves("1319999999"));
        assert_eq!(base.check(), []);
    }

    #[test]
    fn units_are_required_and_unknown_settings_refused() {
        let head = "name = \"b\"\nkind = \"fhir-rest\"\nurl = \"http://h/fhir\"\n";
        assert_eq!(read(&format!("{head}timeout = \"90s\"")).unwrap().timeout, Duration::from_secs(90));
        assert!(read(&format!("{head}timeout = 90")).is_err());
        assert!(read(&format!("{head}retries = 3")).is_err());
        assert!(read(&head.replace("fhir-rest", "ftp")).is_err());
    }

    #[test]
    fn what_cannot_work_is_said() {
        let check = |change: fn(&mut Base), expected: &[&str]| {
            let mut base = Base::new("b", "https://h/fhir".parse().unwrap());
            change(&mut base);
            assert_eq!(base.check().iter().map(|(setting, _)| *setting).collect::<Vec<_>>(), expected);
        };
        check(|_| {}, &[]);
        check(|base| base.facilities.clear(), &["facilities"]);
        check(|base| base.retry_max = Duration::from_millis(1), &["retry_max"]);
        check(
            |base| base.tls = Some(Tls { client_cert: Some("a.pem".into()), ..Tls::default() }),
            &["tls.client_key"],
        );
        check(
            |base| {
                base.url = "http://h/fhir".parse().unwrap();
                base.tls = Some(Tls::default());
            },
            &["tls"],
        );
    }

    #[test]
    fn facilities_are_named_or_all() {
        let mut base = Base::new("b", "https://h/fhir".parse().unwrap());
        base.facilities = vec!["1".into(), "2".into()];
        assert!(base.serves("1") && base.serves("2") && !base.serves("3"));
    }
}
