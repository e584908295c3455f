//! What somebody agreed to: a plan that is decided again may need more than that.

use super::{Plan, Say, Warning};

/// The warnings to which somebody said yes.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    given: Vec<Warning>,
    asked: bool,
}

impl Consent {
    /// Whether all that the plan asks about was agreed to.
    #[must_use]
    pub fn covers(&self, plan: &Plan) -> bool {
        plan.warnings.iter().filter(|warning| warning.kind == Say::Ask).all(|ask| self.given.contains(ask))
    }

    /// Somebody said yes to all that the plan asks about.
    pub fn give(&mut self, plan: &Plan) {
        self.asked = true;
        let asks = plan.warnings.iter().filter(|warning| warning.kind == Say::Ask);
        self.given.extend(asks.cloned());
    }

    /// Whether somebody was asked before.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_to_what_was_asked_about() {
        let plan = |texts: &[&str]| Plan {
            warnings: texts
                .iter()
                .map(|text| Warning::ask(*text))
                .chain([Warning::note("a remark")])
                .collect(),
            ..Plan::default()
        };
        let mut consent = Consent::default();
        assert!(consent.covers(&plan(&[])) && !consent.covers(&plan(&["a"])));
        consent.give(&plan(&["a", "b"]));
        assert!(consent.covers(&plan(&["a", "b"])) && consent.covers(&plan(&["b"])));
        assert!(!consent.covers(&plan(&["a", "c"])));
    }
}
