//! `raid6check`.

use anyhow::Result;

use super::drive::Driver;
use crate::{
    config::Config,
    kernel::Machine,
    plan::raid6check::{SixAct, SixCheck, SixJob},
    request::{Common, Raid6CheckRequest, Raid6CheckVerb},
    ui::Ui,
};

/// Checks or repairs stripes.
pub(super) fn run(request: &Raid6CheckRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let act = match request.verb {
        Raid6CheckVerb::Check { from, count, repair } => SixAct::Check { from, count, repair },
        Raid6CheckVerb::Repair { stripe, slots } => SixAct::Repair { stripe, slots },
    };
    let config = Config::default();
    let driver = Driver { common, machine, ui, config: &config, own_document: false };
    driver.drive(&mut SixCheck::new(SixJob { array: request.array.clone(), act }))
}
