//! A console with messages in its store: received, read and translated in the test's own thread.

use super::site::{AOBA, MIDORI, Reply, START_MS, Site};
use arc_swap::ArcSwap;
use renkei_bridge::app::mappings;
use renkei_bridge::console::bench::Bench;
use renkei_bridge::pipeline;
use renkei_bridge::store::{Arrival, Completion, FacilityStore, Indexed, MessageId, Origin};
use renkei_translate::mapping::{self, MappingSet};
use renkei_translate::translation::{Context, Facility};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands in no other place than in the patients of these tests.
pub const CANARIES: [&str; 9] = [
    "0077665500",
    "77665500",
    "金糸雀",
    "囀子",
    "カナリヤザ",
    "19410203",
    "1941-02-03",
    "09077665544",
    "CTLKANARI",
];

/// A laboratory result of the canary, or of another name.
pub fn lab(control: &str, order: &str, name: &str, taken: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|S|GW|R|20261120090000||OUL^R22^OUL_R22|{control}|P|2.5||||||UNICODE UTF-8\r\
         PID|||0077665500||{name}||19410203|F|||^^^^100-0001^JPN^H^金糸雀町1||^PRN^PH^^^^^^^^^09077665544\r\
         SPM|1|L001||023^血清^JC10|||||||||||||{taken}\r\
         OBR|1|{order}||3^生化学的検査^99LAB\r\
         ORC|SC|{order}|||CM\r\
         OBX|1|NM|3C015000002327101^クレアチニン^JC10||1.50|mg/dL^mg/dL^99XYZ|0.65-1.07|H|||F\r\
         NTE|1||金糸雀さんに説明済み\r\
         OBX|2|ST|3H015000002326101^カリウム^JC10||金糸雀 様の検体|meq/L^meq/L^99XYZ|||||C\r\
         ZE9|金糸雀|X\r"
    )
}

/// The canary's name.
pub const NAME: &str = "金糸雀^囀子^^^^^L^I~カナリヤザ^サエズリコ^^^^^L^P";
/// When the specimen was taken; without it the message is held.
pub const TAKEN: &str = "202611200830";

/// The console.
pub struct Ward {
    /// The site under it.
    pub site: Site,
    /// The active set.
    pub set: Arc<ArcSwap<MappingSet>>,
    settings: Arc<BTreeMap<String, Arc<Facility>>>,
}

impl Ward {
    /// Starts one.
    pub fn start() -> Self {
        let set = super::site::set();
        let settings: BTreeMap<String, Arc<Facility>> = [AOBA, MIDORI]
            .into_iter()
            .map(|code| {
                let settings = Facility {
                    code: code.into(),
                    local_system_base: "http://hospital.example.jp/fhir".into(),
                    ..Facility::default()
                };
                (code.to_owned(), Arc::new(settings))
            })
            .collect();
        let settings = Arc::new(settings);
        let bench = Arc::new(Bench::new(set.clone(), settings.clone()));
        let site = Site::start_with(|state| state.bench = bench);
        Self { site, set, settings }
    }

    /// The store of a facility.
    pub fn store(&self, facility: &str) -> Arc<FacilityStore> {
        self.site.state.store.facility(facility).unwrap()
    }

    /// Receives a message and does with it what the pipeline does.
    pub fn receive(&self, facility: &str, name: &str, body: &str, ago_ms: i64) -> MessageId {
        let arrival = Arrival {
            feed: "aoba".into(),
            name: name.into(),
            body: body.as_bytes().to_vec(),
            origin: Origin { source: "aoba".into(), ..Origin::default() },
            received_ms: START_MS - ago_ms,
            duplicate_window_ms: 60_000,
        };
        let id = self.site.block_on(self.store(facility).accept(arrival)).unwrap().id;
        self.work(facility);
        id
    }

    /// Reads and translates everything that waits.
    pub fn work(&self, facility: &str) {
        let (store, settings) = (self.store(facility), self.settings[facility].clone());
        loop {
            let journalled = store.unindexed(100).unwrap();
            if journalled.is_empty() {
                break;
            }
            let indexed = journalled.iter().map(|message| {
                let peek = mapping::peek(&message.body, &settings);
                Indexed {
                    id: message.id,
                    control_id: peek.control_id,
                    patients: peek.patients,
                    names: peek.names,
                    order_number: peek.order_number,
                    more_orders: peek.more_orders,
                    message_type: peek.message_type,
                    time: peek.time,
                }
            });
            store.index(indexed.collect()).unwrap();
        }
        let set = self.set.load_full();
        loop {
            let claims = store.claim(1).unwrap();
            if claims.is_empty() {
                return;
            }
            let done = claims.into_iter().map(|claim| {
                let context = Context {
                    facility: settings.clone(),
                    id_key: self.site.state.store.id_key(),
                    file: claim.origin.file.clone(),
                    path_patient: claim.origin.path_patient,
                    lists: claim.origin.lists,
                    feed: claim.origin.feed.clone(),
                };
                let translation = pipeline::translate(&set, &claim.body, &context);
                let mapping_version = set.version().to_owned();
                (claim, Completion { translation, mapping_version, destinations: vec!["base".into()] })
            });
            store.complete(done.collect()).unwrap();
        }
    }

    /// The set with something changed in one of its files.
    pub fn mend(&self, file: &str, from: &str, to: &str) {
        let mut files = mappings::shipped();
        let file = files.iter_mut().find(|known| known.path.ends_with(file)).unwrap();
        assert!(file.text.contains(from), "{from}");
        file.text = file.text.replace(from, to);
        self.set.store(Arc::new(MappingSet::load(files).unwrap()));
    }

    /// The actions of the audit trail with their targets and details.
    pub fn acts(&self, action: &str) -> Vec<(String, String)> {
        let all = self.site.audited();
        all.into_iter().filter(|entry| entry.1 == action).map(|entry| (entry.2, entry.3)).collect()
    }
}

/// The address of a message.
pub fn at(facility: &str, id: MessageId) -> String {
    format!("/messages/{facility}-{id}")
}

/// Fails where a page shows one of the canaries.
pub fn assert_masked(reply: &Reply, what: &str) {
    let text = format!("{}\n{}", reply.head, reply.text());
    for canary in CANARIES {
        assert!(!text.contains(canary), "{what} shows {canary}");
    }
}

/// A page without what differs from one request to the next.
pub fn without_values(reply: &Reply) -> String {
    let text = reply.text();
    let mut parts = text.split("value=\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once('"').map_or("", |(_, rest)| rest));
    }
    out
}
