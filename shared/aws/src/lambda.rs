//! Functions that are asked: by a person, who waits for the answer (only the command line does that), and by each other, who do not.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use ghostnet_engine::error::PortError;

use crate::Aws;
use crate::error::port_error;

/// A tick is given 55 s; then Lambda has ended it and says so.
const ATTEMPT: Duration = Duration::from_secs(65);
/// With the attempts that Lambda did not take on.
const CALL: Duration = Duration::from_secs(150);

/// What a function said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Its answer, as JSON.
    Answer(Vec<u8>),
    /// It failed; Lambda's story, as JSON.
    Failed(Vec<u8>),
}

impl Aws {
    /// Has a function of this region run, and does not wait for it.
    ///
    /// # Errors
    /// Lambda does not take it on.
    pub async fn invoke_later(&self, function: &str, payload: Vec<u8>) -> Result<(), PortError> {
        let asked = aws_sdk_lambda::Client::new(self.config())
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await;
        asked.map(|_| ()).map_err(|error| port_error("lambda:InvokeFunction", error))
    }

    /// Invokes a function of this region and waits for its answer. Asked twice, a request of an operator is heard once.
    ///
    /// # Errors
    /// Lambda does not take it on, or does not answer.
    pub async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<Said, PortError> {
        let patient = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let asked = aws_sdk_lambda::Client::new(self.config())
            .invoke()
            .function_name(function)
            .payload(Blob::new(payload))
            .customize()
            .config_override(aws_sdk_lambda::config::Builder::new().timeout_config(patient))
            .send()
            .await;
        let answer = asked.map_err(|error| port_error("lambda:InvokeFunction", error))?;
        let said = answer.payload().map(|payload| payload.as_ref().to_vec()).unwrap_or_default();
        Ok(match answer.function_error() {
            None => Said::Answer(said),
            Some(_) => Said::Failed(said),
        })
    }
}
