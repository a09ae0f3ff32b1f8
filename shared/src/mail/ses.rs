//! Mail by Amazon SES, which comes with the account: where no `SMTP_URL` is set.

use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};

use super::{Mail, MailError, Mailer, TIMEOUT};
use crate::aws;
use crate::causes::in_one_line;
use crate::email::Email;
use crate::settings::Variables;

/// SES in the function's own account and region.
pub struct Ses {
    client: Client,
    from: String,
}

impl Ses {
    /// A client that mails from `MAIL_FROM`. Nothing is asked of SES yet.
    #[must_use]
    pub fn new(variables: &Variables, from: &Email) -> Self {
        Self {
            client: Client::new(&aws::config(variables, "AWS_ENDPOINT_URL_SESV2")),
            from: from.as_str().to_owned(),
        }
    }
}

#[async_trait]
impl Mailer for Ses {
    async fn send(&self, to: &Email, mail: &Mail) -> Result<(), MailError> {
        let failed = |error: &dyn std::error::Error| MailError::Failed(in_one_line(error));
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build();
        let message = Message::builder()
            .subject(content(&mail.subject).map_err(|error| failed(&error))?)
            .body(
                Body::builder()
                    .text(content(&mail.text).map_err(|error| failed(&error))?)
                    .build(),
            )
            .build();
        let request = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to.as_str()).build())
            .content(EmailContent::builder().simple(message).build())
            .send();
        tokio::time::timeout(TIMEOUT, request)
            .await
            .map_err(|_| MailError::Timeout)?
            .map(|_| ())
            // SES names addresses in its refusals; the kind of refusal says enough.
            .map_err(|error| match error.code() {
                Some(code) => MailError::Failed(format!("SES refused the mail: {code}")),
                None => failed(&error),
            })
    }
}
