//! What a command that changes something did or would do, as JSON.

use serde::Serialize;

/// Its number grows when a key changes its meaning or goes.
const SCHEMA: &str = "mdctl.outcome.1";

/// The plan of a command and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    schema: &'static str,
    /// `planned`, `done`, `failed` (rolled back), `incomplete` (failed after its commit), `refused`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    steps: Vec<Step>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Step {
    step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<String>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    not_undone: Vec<String>,
}

/// Steps with their undo, as lines for people.
type Steps = Vec<(String, Option<String>)>;

impl Outcome {
    /// A plan that was not carried out, or was.
    #[must_use]
    pub fn new(planned_only: bool, summary: &str, steps: Steps, warnings: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            result: if planned_only { "planned" } else { "done" },
            summary: Some(summary.to_owned()),
            steps: steps.into_iter().map(|(step, undo)| Step { step, undo }).collect(),
            warnings,
            error: None,
        }
    }

    /// A request that came to no plan.
    #[must_use]
    pub fn refused(reason: String, hint: Option<String>, warnings: Vec<String>) -> Self {
        Self {
            schema: SCHEMA,
            result: "refused",
            summary: None,
            steps: Vec::new(),
            warnings,
            error: Some(Problem { step: None, reason, hint, not_undone: Vec::new() }),
        }
    }

    /// The same plan, failed at this step.
    #[must_use]
    pub fn failed(mut self, step: &str, reason: String, not_undone: &[String], committed: bool) -> Self {
        self.result = if committed { "incomplete" } else { "failed" };
        self.error = Some(Problem {
            step: Some(step.to_owned()),
            reason,
            hint: None,
            not_undone: not_undone.to_vec(),
        });
        self
    }

    /// With the command that does later what was not done.
    #[must_use]
    pub fn hinted(mut self, later: Option<&str>) -> Self {
        if let Some(error) = &mut self.error {
            error.hint = later.map(str::to_owned);
        }
        self
    }

    /// With a warning more.
    #[must_use]
    pub fn warned(mut self, text: String) -> Self {
        self.warnings.push(text);
        self
    }

    /// Several plans of one command as one; `None` where there was none.
    #[must_use]
    pub fn together(all: Vec<Self>) -> Option<Self> {
        all.into_iter().reduce(|mut sum, next| {
            sum.result = match (sum.result, next.result) {
                (one, other) if one == other => one,
                // A part of what was asked for is done.
                ("done", _) | (_, "done") => "incomplete",
                ("planned", other) => other,
                (one, _) => one,
            };
            let summaries = [sum.summary.take(), next.summary];
            sum.summary = summaries.into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
            sum.steps.extend(next.steps);
            sum.warnings.extend(next.warnings);
            sum.error = sum.error.or(next.error);
            sum
        })
    }

    /// The text, with its line end.
    #[must_use]
    pub fn text(&self) -> String {
        // Strings and numbers only: there is nothing that cannot be written.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_plans_are_one_document() {
        let done = |name: &str| Outcome::new(false, name, vec![(name.to_owned(), None)], vec![]);
        let refused = Outcome::refused("busy".into(), None, vec!["odd".into()]);
        assert_eq!(Outcome::together(vec![]), None);
        assert_eq!(Outcome::together(vec![done("a")]), Some(done("a")));
        let both = Outcome::together(vec![done("a"), done("b")]).unwrap();
        assert_eq!((both.result, both.summary.as_deref(), both.steps.len()), ("done", Some("a; b"), 2));
        let part = Outcome::together(vec![done("a"), refused.clone(), done("c")]).unwrap();
        assert_eq!((part.result, part.error.clone().unwrap().reason.as_str()), ("incomplete", "busy"));
        assert_eq!(Outcome::together(vec![refused.clone(), refused]).unwrap().result, "refused");
    }

    #[test]
    fn keys_and_results() {
        let steps =
            vec![("new array md0".to_owned(), Some("stop md0".to_owned())), ("commit".to_owned(), None)];
        let outcome = Outcome::new(false, "create /dev/md0", steps, vec!["odd".into()]);
        let failed = outcome.failed("run md0", "/dev/md0: RUN_ARRAY: EINVAL".into(), &[], false);
        let value: serde_json::Value = serde_json::from_str(&failed.text()).unwrap();
        assert_eq!(value["result"], "failed");
        assert_eq!(value["steps"][0]["undo"], "stop md0");
        assert_eq!(value["steps"][1].get("undo"), None);
        assert_eq!(value["error"]["reason"], "/dev/md0: RUN_ARRAY: EINVAL");
        assert_eq!(value["schema"], "mdctl.outcome.1");
    }
}
