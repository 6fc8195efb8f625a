//! `message list`.

use super::{MessageId, Where, day, id};
use crate::cli::print::{say, time};
use crate::shape;
use crate::store::{Filter, State};
use std::process::ExitCode;

/// The arguments of `message list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    at: Where,
    /// pending, quarantined, held, rejected, excluded or registered.
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// The messages of a patient. The audit trail keeps a hash of the id.
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// The number of an order, the first of the message or another.
    #[arg(long, value_name = "NUMBER")]
    order: Option<String>,
    /// Control id or file name.
    #[arg(long)]
    name: Option<String>,
    /// A feed.
    #[arg(long)]
    feed: Option<String>,
    /// A type of message: OML-11.
    #[arg(long)]
    kind: Option<String>,
    /// First day of receipt.
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<u32>,
    /// Last day of receipt.
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<u32>,
    /// Only older ones than this message: the next page.
    #[arg(long, value_name = "NUMBER", value_parser = id)]
    before: Option<MessageId>,
    /// So many of each facility at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

fn state(word: &str) -> Result<State, String> {
    State::of(word).ok_or_else(|| {
        let words: Vec<_> = State::ALL.iter().map(|state| state.as_str()).collect();
        format!("one of {}", words.join(", "))
    })
}

/// Lists.
pub(super) fn run(arguments: &List) -> anyhow::Result<ExitCode> {
    let (config, store) = match arguments.at.file.store()? {
        Ok(opened) => opened,
        Err(code) => return Ok(code),
    };
    for facility in arguments.at.stores(&store)? {
        let rule = config.facilities.iter().find(|written| written.code == facility.code());
        let patient = arguments
            .patient
            .as_ref()
            .map(|patient| rule.map_or_else(|| patient.clone(), |rule| rule.patient_id.normalise(patient)));
        if let Some(patient) = &patient {
            let hash = store.id_key().id(["audit-patient", facility.code(), patient]);
            store.audit().append(&arguments.at.author.who(), "search-patient", facility.code(), &hash)?;
        }
        let filter = Filter {
            patient,
            order: arguments.order.clone(),
            name: arguments.name.clone(),
            feed: arguments.feed.clone(),
            kind: arguments.kind.clone(),
            state: arguments.state,
            from_day: arguments.from,
            to_day: arguments.to,
            before: arguments.before,
            limit: arguments.limit,
            ..Filter::default()
        };
        for message in facility.messages(&filter)? {
            let patients: Vec<String> = message.patients.iter().map(|patient| shape::of(patient)).collect();
            say!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                message.id,
                time(message.received_ms),
                facility.code(),
                message.feed,
                message.kind.as_deref().or(message.message_type.as_deref()).unwrap_or("-"),
                message.state.as_str(),
                message.reason.as_deref().unwrap_or("-"),
                patients.join(" "),
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
