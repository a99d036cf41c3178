//! Records as lines of JSON: the shape of `/v1/topics/{t}/records`, which of them are shown, and in which form.

use super::{ApiError, parameter};
pub use crate::event::view::{rfc3339, write_value};
use crate::event::{Event, Filter, Judgement, Show, View};

/// What `where` and `view` ask for.
#[derive(Clone, Debug)]
pub struct Chosen {
    filter: Option<Filter>,
    /// The form.
    pub view: View,
}

impl Chosen {
    /// All records, as they are stored.
    pub fn everything() -> Self {
        Self { filter: None, view: View::Raw }
    }

    /// Reads the parameters; without `view` records are shown as they are stored.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let refused = |problem: crate::problem::Problem| ApiError::bad_request(problem.text()).about(&problem);
        let filter = parameter(pairs, "where").map(Filter::parse).transpose().map_err(refused)?;
        let view = match parameter(pairs, "view") {
            None => View::Raw,
            Some(name) => View::parse(name).ok_or_else(|| {
                let names: Vec<_> = View::ALL.iter().map(|(name, _)| *name).collect();
                ApiError::bad_request(format!("view={name} is none of {}", names.join(", ")))
            })?,
        };
        Ok(Self { filter, view })
    }

    /// What the filter says of an event.
    pub fn judge(&self, event: &Event<'_>) -> Judgement {
        self.filter.as_ref().map_or(Judgement::Matches, |filter| filter.judge(event))
    }

    /// How an event is shown. Whoever reads records may read them all: the filter hides nothing of those that it lets through.
    pub fn show(judgement: Judgement) -> Show<'static> {
        Show { judgement, whole: true, ..Show::default() }
    }

    /// Appends one record as a line of JSON; false where it is not shown.
    pub fn write_line(&self, event: &Event<'_>, out: &mut Vec<u8>) -> bool {
        let judgement = self.judge(event);
        let is_shown = judgement.is_wanted() && self.view.write(event, &Self::show(judgement), out);
        if is_shown {
            out.push(b'\n');
        }
        is_shown
    }

    /// Appends one record as an object without its last brace: where it stands, its key, and as value what the view shows.
    pub fn write_open(&self, event: &Event<'_>, judgement: Judgement, out: &mut Vec<u8>) {
        self.view.write_placed(event, &Self::show(judgement), out);
        out.truncate(out.len().saturating_sub(b"}".len()));
    }
}
