//! Why a row is not executed, where the set itself says it: no message file, a `skip`, a position that nobody reads.

use super::{Judge, MessageCoverage, Position, State, Table, TargetRow, Title, data_type, position};

impl Judge<'_> {
    /// A reason that the set itself gives.
    pub(super) fn computed(&self, row: &TargetRow, messages: &[&MessageCoverage]) -> Option<Title> {
        if messages.is_empty() {
            let name = data_type(&row.map).unwrap_or_else(|| row.map.clone());
            return Some(Title {
                ja: format!("この組に {name} の電文ファイルがない"),
                en: format!("the set has no message file for {name}"),
            });
        }
        if matches!(row.kind.as_str(), "code" | "datatype") {
            if !self.spoken_of.contains(row.map.as_str()) {
                return Some(Title {
                    ja: "この表を名指しする行がない".to_owned(),
                    en: "no row names this map".to_owned(),
                });
            }
            return (!self.named.contains_key(row.map.as_str())).then(|| Title {
                ja: "この表を名指しする行が、どれも実行されない(その行の理由を参照)".to_owned(),
                en: "none of the rows that name this map is executed (see their reasons)".to_owned(),
            });
        }
        if !matches!(row.kind.as_str(), "segment" | "message") {
            return None;
        }
        let at: Position = position(&row.source);
        let knowing: Vec<_> = messages.iter().filter(|message| message.knows(&at.segment)).collect();
        if knowing.is_empty()
            && !messages.iter().any(|m| m.engine.iter().any(|e| e.position.segment == at.segment))
        {
            return Some(Title {
                ja: format!("この組の電文は {} を読まない(届けば未読として数える)", at.segment),
                en: format!(
                    "no message of the set reads {}: it is counted as unread where it comes",
                    at.segment
                ),
            });
        }
        let left_out = |message: &&&MessageCoverage| {
            let field = message.field(&at.segment, at.field);
            matches!(field.state, State::Skipped | State::Engine).then(|| field.why.cloned()).flatten()
        };
        if knowing.iter().all(|message| left_out(message).is_some()) {
            return knowing.first().and_then(left_out);
        }
        // The guide is for all of HL7 v2; what SS-MIX2 and JAHIS do not use is not read, and counted where it comes.
        let unread = |message: &&&MessageCoverage| {
            matches!(
                message.field(&at.segment, at.field).state,
                State::Unread | State::Skipped | State::Engine
            )
        };
        (row.table == Table::Hl7 && at.field > 0 && knowing.iter().all(unread)).then(|| Title {
            ja: "この組のどの規則も読まない位置。届けば未読として数える".to_owned(),
            en: "no rule of the set reads the position: it is counted as unread where it comes".to_owned(),
        })
    }
}
