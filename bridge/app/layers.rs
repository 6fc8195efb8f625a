//! The mappings at work: made at the start, exchanged when a version of a layer is activated, and what is wrong with them.
//!
//! A layer that is active stays so when a later version of the program doubts it: the appliance starts and translates as
//! before, and says so until a mended version is active. Where the layers give no set at all, nothing is translated in
//! their place: the messages of the facilities concerned are taken and wait, the others go on.

use super::mappings::Sources;
use crate::config::Config;
use crate::pipeline::Sets;
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use renkei_translate::mapping::Problem;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How often is looked whether another version of a layer was activated.
const LAYERS: Duration = Duration::from_secs(2);
/// Problems that the log says one by one; `check` says all.
const MOST_LOGGED: usize = 50;

/// The sets of the layers that are active, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct AtWork {
    /// The sets.
    pub sets: Sets,
    problems: Arc<ArcSwap<Vec<Problem>>>,
    /// How far the log of activations was read.
    seen: u64,
}

impl AtWork {
    /// Those with which the appliance starts; what is wrong is logged.
    ///
    /// # Errors
    /// The database.
    pub fn start(config: &Config, store: &Store) -> Result<Self, StoreError> {
        let seen = store.layers().epoch()?;
        let mut built = Sources::new(config, Some(store.layers())).build();
        built.note(store.layers())?;
        let problems = std::mem::take(&mut built.problems);
        tell(&problems, &[]);
        let at_work = Self { sets: built.sets(), problems: Arc::new(ArcSwap::from_pointee(problems)), seen };
        at_work.measure(config);
        Ok(at_work)
    }

    /// What is wrong with the layers that are active.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.load().to_vec()
    }

    /// What keeps a facility's messages from being translated as its layers say, as a key of the console's words.
    pub fn trouble(&self, facility: &str) -> Option<&'static str> {
        if !self.sets.of(facility).load().is_usable() {
            return Some("verdict.mapping-unusable");
        }
        let problems = self.problems.load();
        let concerns = |problem: &Problem| problem.facility.is_empty() || problem.facility == facility;
        let kept = problems.iter().any(|problem| !problem.doubt && concerns(problem));
        kept.then_some("verdict.mapping-kept")
    }

    /// Exchanges the sets at work when a version of a layer is activated, whoever did it: the console, or a command
    /// beside this process. Where no set can be made, the one at work stays.
    pub(super) async fn follow(
        mut self,
        config: Arc<Config>,
        store: Arc<Store>,
        shutdown: CancellationToken,
    ) {
        while shutdown.run_until_cancelled(tokio::time::sleep(LAYERS)).await.is_some() {
            let (this, config, store) = (self.clone(), config.clone(), store.clone());
            match tokio::task::spawn_blocking(move || this.look(&config, &store)).await {
                Ok(Ok(now)) => self.seen = now,
                Ok(Err(error)) => warn!(%error, "The versions of the mappings cannot be read."),
                Err(_) => {}
            }
        }
    }

    fn look(&self, config: &Config, store: &Store) -> Result<u64, StoreError> {
        let now = store.layers().epoch()?;
        if now == self.seen {
            return Ok(now);
        }
        let mut built = Sources::new(config, Some(store.layers())).build();
        built.note(store.layers())?;
        let problems = std::mem::take(&mut built.problems);
        built.exchange(&self.sets);
        info!(mapping_version = self.sets.common().load().version(), "The mappings were exchanged.");
        tell(&problems, &self.problems.load());
        self.problems.store(Arc::new(problems));
        self.measure(config);
        Ok(now)
    }

    fn measure(&self, config: &Config) {
        let problems = self.problems.load();
        metrics::gauge!("renkei_mapping_problems").set(problems.len() as f64);
        for facility in &config.facilities {
            let wrong = !self.sets.of(&facility.code).load().is_usable();
            metrics::gauge!("renkei_mapping_unusable", "facility" => facility.code.clone())
                .set(f64::from(u8::from(wrong)));
        }
    }
}

/// Logs what is wrong now and was not before, and that what was wrong is so no more.
fn tell(now: &[Problem], before: &[Problem]) {
    let new: Vec<&Problem> = now.iter().filter(|problem| !before.contains(problem)).collect();
    for problem in new.iter().take(MOST_LOGGED) {
        let Problem { layer, file, line, rule, column, ja, en, facility, doubt } = problem;
        let layer = layer.word();
        if *doubt {
            warn!(
                layer,
                facility,
                file,
                line,
                rule,
                cell = column,
                ja,
                en,
                "The check of this version doubts mappings that are active; they go on as before."
            );
        } else {
            error!(
                layer,
                facility,
                file,
                line,
                rule,
                cell = column,
                ja,
                en,
                "Mappings that are active cannot be used: nothing is translated in their place."
            );
        }
    }
    if new.len() > MOST_LOGGED {
        warn!(problems = now.len(), "There are more problems of the mappings: `check` says all.");
    }
    if now.is_empty() && !before.is_empty() {
        info!("Nothing is wrong with the mappings any more.");
    }
}
