//! Whom visits are told to. Nothing is sent: `lastseen notify --test` does that.

use shared::settings::{NotifySettings, Variables};

use super::finding::Finding;

pub(super) fn check(variables: &Variables) -> Vec<Finding> {
    // What is wrong with these settings has been said; and mostly nobody is told.
    let Ok(Some(settings)) = NotifySettings::read(variables) else {
        return Vec::new();
    };
    let host = settings.url.host();
    let told = format!("visits are told to {host} (`lastseen notify --test` tries that)");
    // Slack checks no signature: who may write to it is whoever knows the address.
    if settings.key.is_some() || settings.url.is_slack() {
        return vec![Finding::good(told)];
    }
    let unsigned = "NOTIFY_SECRET is not set: the receiver cannot tell these messages from anybody else's — `echo whsec_$(openssl rand -base64 32)` makes one, for both sides";
    vec![Finding::good(told), Finding::mind(unsigned)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(settings: &[(&str, &str)]) -> Vec<String> {
        let variables = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let findings = check(&variables);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_receiver_is_named_by_its_host_alone() {
        let url = ("NOTIFY_URL", "https://example.com/pa55?word");
        let secret = ("NOTIFY_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = lines(&[url, secret]);
        assert!(signed[0].starts_with("✓ visits are told to example.com ("));
        assert_eq!(signed.len(), 1);
        let unsigned = lines(&[url]);
        assert!(unsigned[1].starts_with("! NOTIFY_SECRET is not set"));
        assert!(!unsigned.concat().contains("pa55"));
        let slack = lines(&[("NOTIFY_URL", "https://hooks.slack.com/services/T/B/x")]);
        assert_eq!(slack.len(), 1);
        assert!(lines(&[]).is_empty());
        assert!(lines(&[("NOTIFY_URL", "nonsense")]).is_empty());
    }
}
