//! How often somebody may ask, before anything else about them is looked at.

use shared::app::App;
use shared::audit;
use shared::client::Network;
use shared::email::Email;
use shared::flood::{Deed, Limited, Standing};
use shared::queue::Patience;
use shared::timestamp::Timestamp;

use crate::Refusal;

/// Counts what comes from one network.
pub(crate) fn network(
    app: &App,
    deed: Deed,
    network: Option<Network>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if !app.settings.flood_limits {
        return Ok(());
    }
    told(deed, "network", app.flood.network(deed, network, now))
}

/// Counts what is done for one visitor, and at the site as a whole. Says how long the visit may wait for
/// its turn at the store.
pub(crate) fn visitor(
    app: &App,
    deed: Deed,
    email: &Email,
    network: Option<Network>,
    now: Timestamp,
) -> Result<Patience, Refusal> {
    if !app.settings.flood_limits {
        return Ok(Patience::Longest);
    }
    let counted = app.flood.visitor(deed, email, network, now);
    Ok(match told(deed, "visitor or site", counted)? {
        Standing::New => Patience::Longest,
        Standing::Frequent => Patience::Short,
    })
}

/// Whether a passcode from this network is looked at at all.
pub(crate) fn passcode(app: &App, network: Option<Network>, now: Timestamp) -> Result<(), Refusal> {
    if !app.settings.flood_limits || app.settings.passcode.is_none() {
        return Ok(());
    }
    app.flood.may_try_passcode(network, now).map_err(|limited| {
        audit::limited("Passcode", "network or site");
        Refusal::Limited(limited.retry_after)
    })
}

fn told<T>(deed: Deed, of: &str, counted: Result<T, Limited>) -> Result<T, Refusal> {
    counted.map_err(|limited| {
        audit::limited(&format!("{deed:?}"), of);
        Refusal::Limited(limited.retry_after)
    })
}
