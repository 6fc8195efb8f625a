//! What people ask: one message, a list of them, what the record holds.

use super::complete::{public, unit_entries};
use super::index::state;
use super::{
    DeliveryView, FacilityStore, Filter, MessageDetail, MessageId, MessageSummary, State, StoreError, parts,
};
use renkei_translate::finding::{Finding, Severity};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

/// Lines of a list where the filter names no limit, and the most that it may name.
const LINES: (usize, usize) = (100, 1_000);

const SUMMARY: &str =
    "m.id, m.feed, m.name, m.control_id, m.message_type, m.kind, m.received_ms, m.time, m.state, m.reason,
     m.findings, m.mapping_version";

impl FacilityStore {
    /// A list of messages, newest first.
    ///
    /// # Errors
    /// The database.
    pub fn messages(&self, filter: &Filter) -> Result<Vec<MessageSummary>, StoreError> {
        let (sql, values) = listing(filter);
        let console = self.console()?;
        let mut select = console.prepare(&sql)?;
        let lines = select.query_map(params_from_iter(values), summary)?;
        let mut lines = lines.collect::<Result<Vec<_>, _>>()?;
        for line in &mut lines {
            line.patients = patients(&console, line.id)?;
        }
        Ok(lines)
    }

    /// Everything known of a message; one that is not indexed yet is shown from the journal.
    ///
    /// # Errors
    /// The database.
    pub fn message(&self, id: MessageId) -> Result<Option<MessageDetail>, StoreError> {
        let found = match self.bodies.message(id)? {
            None => self.dropped_message(id)?,
            found => found,
        };
        let Some((journalled, head)) = found else { return Ok(None) };
        let mut body = journalled.body;
        if let Some(first) = journalled.duplicate_of {
            body = self.bodies.message(first)?.map(|(first, _)| first.body).unwrap_or_default();
        }
        let mut detail = MessageDetail {
            summary: MessageSummary {
                id,
                feed: journalled.feed,
                name: journalled.name,
                control_id: None,
                message_type: None,
                kind: None,
                received_ms: journalled.received_ms,
                time: None,
                state: State::Pending,
                reason: None,
                patients: Vec::new(),
                errors: 0,
                warnings: 0,
                mapping_version: None,
            },
            body,
            origin: journalled.origin,
            order_number: None,
            findings: Vec::new(),
            mapping_version: None,
            duplicate_of: journalled.duplicate_of,
            id_reused: head.id_reused,
            unit: None,
            unit_kind: None,
            version: None,
            entries: Vec::new(),
            deliveries: Vec::new(),
        };
        let console = self.console()?;
        let mut select = console.prepare_cached(&format!(
            "SELECT {SUMMARY}, m.order_number, m.unit, m.version, u.key, u.kind
             FROM message m LEFT JOIN unit u ON u.id = m.unit WHERE m.id = ?"
        ))?;
        let mut rows = select.query([id.0])?;
        let Some(row) = rows.next()? else { return Ok(Some(detail)) };
        detail.summary = summary(row)?;
        detail.summary.patients = patients(&console, id)?;
        detail.findings = findings(row.get(10)?)?;
        detail.mapping_version = row.get(11)?;
        detail.order_number = row.get(12)?;
        detail.version = row.get(14)?;
        detail.unit = row.get(15)?;
        detail.unit_kind = row.get(16)?;
        for (unit, _) in parts::of(&console, id.0)? {
            for entry in unit_entries(&console, unit)? {
                if !detail.entries.contains(&entry) {
                    detail.entries.push(entry);
                }
            }
            detail.deliveries.extend(deliveries(&console, unit)?);
        }
        Ok(Some(detail))
    }

    /// `(type, id)` of everything that the record holds, by type: what a destination should have.
    ///
    /// # Errors
    /// The database.
    pub fn record_ids(&self) -> Result<Vec<(String, String)>, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached(
            "SELECT type, id FROM standing
             UNION SELECT type, id FROM entry e WHERE hash IS NOT NULL AND type <> 'Patient'
             AND NOT EXISTS(SELECT 1 FROM entry r WHERE r.type = e.type AND r.id = e.id AND r.rank = -1
                            AND (r.time, r.sequence) >= (e.time, e.sequence)) ORDER BY 1, 2",
        )?;
        let ids = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// A feed's or kind's share of what is held is told by `causes`; this is the number of messages that wait
    /// for their translation.
    ///
    /// # Errors
    /// The database.
    pub fn untranslated(&self) -> Result<u64, StoreError> {
        let console = self.console()?;
        let mut select = console.prepare_cached("SELECT count(*) FROM message WHERE state = ?")?;
        Ok(select.query_row([state::RECEIVED], |row| row.get(0)).optional()?.unwrap_or_default())
    }
}

/// The statement of a list of messages, with what is bound in it.
pub(super) fn listing(filter: &Filter) -> (String, Vec<Value>) {
    let (mut sql, mut values) = (format!("SELECT {SUMMARY} FROM message m"), Vec::<Value>::new());
    let mut wheres: Vec<&str> = Vec::new();
    if let Some(patient) = &filter.patient {
        sql.push_str(" JOIN message_patient p ON p.message = m.id");
        wheres.push("p.patient = ?");
        values.push(patient.clone().into());
    }
    let among = format!(
        "m.id IN (SELECT message FROM message_patient WHERE patient IN ({}))",
        vec!["?"; filter.patients.len()].join(", ")
    );
    if !filter.patients.is_empty() {
        wheres.push(&among);
        values.extend(filter.patients.iter().map(|patient| Value::from(patient.clone())));
    }
    if let Some(name) = &filter.name {
        wheres.push("m.id IN (SELECT id FROM message WHERE name = ? UNION SELECT id FROM message WHERE control_id = ?)");
        values.extend([name.clone().into(), name.clone().into()]);
    }
    if let Some(order) = &filter.order {
        wheres.push(
            "m.id IN (SELECT id FROM message WHERE order_number = ?
             UNION SELECT message FROM message_order_more WHERE number = ?)",
        );
        values.extend([order.clone().into(), order.clone().into()]);
    }
    for (condition, value) in [
        ("m.feed = ?", filter.feed.clone().map(Value::from)),
        ("m.kind = ?", filter.kind.clone().map(Value::from)),
        ("m.reason = ?", filter.reason.clone().map(Value::from)),
        ("m.day >= ?", filter.from_day.map(|day| Value::from(i64::from(day)))),
        ("m.day <= ?", filter.to_day.map(|day| Value::from(i64::from(day)))),
        ("m.id < ?", filter.before.map(|id| Value::from(id.0))),
    ] {
        if let Some(value) = value {
            wheres.push(condition);
            values.push(value);
        }
    }
    if let Some(wanted) = filter.state {
        wheres.push(state_is(wanted));
    }
    let states: Vec<&str> = filter.states.iter().copied().map(state_is).collect();
    let states = format!("({})", states.join(" OR "));
    if !filter.states.is_empty() {
        wheres.push(&states);
    }
    if !wheres.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&wheres.join(" AND "));
    }
    sql.push_str(" ORDER BY m.id DESC LIMIT ?");
    let limit = if filter.limit == 0 { LINES.0 } else { filter.limit.min(LINES.1) };
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    (sql, values)
}

fn state_is(wanted: State) -> &'static str {
    match wanted {
        State::Pending => "m.state IN (0, 3, 7)",
        State::Quarantined => "m.state = 1",
        State::Excluded => "m.state = 2",
        State::Held => "m.state = 4",
        State::Rejected => "m.state = 5",
        State::Registered => "m.state = 6",
    }
}

fn summary(row: &Row<'_>) -> rusqlite::Result<MessageSummary> {
    // What cannot be read is said by the message's own page.
    let found = findings(row.get(10)?).unwrap_or_default();
    let count = |severity| found.iter().filter(|finding| finding.severity == severity).count();
    Ok(MessageSummary {
        id: MessageId(row.get(0)?),
        feed: row.get(1)?,
        name: row.get(2)?,
        control_id: row.get(3)?,
        message_type: row.get(4)?,
        kind: row.get(5)?,
        received_ms: row.get(6)?,
        time: row.get(7)?,
        state: public(row.get(8)?),
        reason: row.get(9)?,
        patients: Vec::new(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        mapping_version: row.get(11)?,
    })
}

fn patients(connection: &Connection, id: MessageId) -> Result<Vec<String>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT patient FROM message_patient WHERE message = ? ORDER BY patient")?;
    let patients = select.query_map([id.0], |row| row.get(0))?;
    Ok(patients.collect::<Result<_, _>>()?)
}

fn findings(json: Option<String>) -> Result<Vec<Finding>, StoreError> {
    json.map_or(Ok(Vec::new()), |json| {
        serde_json::from_str(&json).map_err(|_| StoreError::Damaged("findings"))
    })
}

fn deliveries(connection: &Connection, unit: i64) -> Result<Vec<DeliveryView>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT destination, state, version, settled, attempts, next_ms, status, answer, error, findings, unshared
         FROM delivery
         WHERE unit = ? ORDER BY destination",
    )?;
    let mut rows = select.query([unit])?;
    let mut views = Vec::new();
    while let Some(row) = rows.next()? {
        views.push(DeliveryView {
            destination: row.get(0)?,
            state: public(row.get(1)?),
            version: row.get(2)?,
            settled_version: row.get(3)?,
            attempts: row.get(4)?,
            next_ms: row.get(5)?,
            status: row.get(6)?,
            answer: row.get::<_, Option<Vec<u8>>>(7)?.unwrap_or_default(),
            error: row.get(8)?,
            findings: findings(row.get(9)?)?,
            unshared: row.get(10)?,
        });
    }
    Ok(views)
}
