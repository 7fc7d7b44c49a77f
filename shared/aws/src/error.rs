//! What an AWS error means to us: one table of codes, and the conversion of any SDK error.
//!
//! Classes follow from the code alone, never from the text of a message. What has no code (time-out, lost connection)
//! has an unknown outcome, and so has any 5xx that the table does not name.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ghostnet_engine::error::{ErrorClass, PortError};

/// Longest message that is kept: it goes into state and records.
const MESSAGE_CHARS_MAX: usize = 300;

/// Our own codes, for answers that AWS gave but that cannot be used.
pub mod code {
    /// The answer lacks a field that AWS always sends.
    pub const INCOMPLETE: &str = "IncompleteAnswer";
    /// There are more pages than we read.
    pub const TOO_MANY_PAGES: &str = "TooManyPages";
    /// A stored item was written by a newer version of GhostNet.
    pub const NEWER_SCHEMA: &str = "NewerSchema";
    /// A stored item cannot be read.
    pub const BAD_ITEM: &str = "BadItem";
    /// An item is too large to be stored.
    pub const TOO_LARGE: &str = "TooLarge";
    /// Keys of a batch stayed unread.
    pub const UNPROCESSED: &str = "UnprocessedKeys";
    /// Time-out of one attempt or of the whole call.
    pub const TIMEOUT: &str = "Timeout";
    /// No connection, or it broke.
    pub const CONNECTION: &str = "ConnectionFailed";
    /// The answer is not what the protocol says.
    pub const RESPONSE: &str = "BadResponse";
    /// A dry run was answered as if it were none.
    pub const NOT_DRY: &str = "NotADryRun";
    /// The request could not be made.
    pub const REQUEST: &str = "BadRequest";
}

/// AWS error codes and their classes; the first row that fits counts. A code that ends in `*` stands for a beginning.
/// What is not listed is `Invalid` if AWS answered 4xx, and `Transient` if it answered 5xx.
const CODES: &[(&str, ErrorClass)] = &[
    // no capacity in that pool (EC2 answers 500 for some of these: the outcome is known all the same)
    ("InsufficientInstanceCapacity", ErrorClass::NoCapacity),
    ("InsufficientHostCapacity", ErrorClass::NoCapacity),
    ("InsufficientCapacityOnHost", ErrorClass::NoCapacity),
    ("InsufficientCapacity", ErrorClass::NoCapacity),
    ("UnfulfillableCapacity", ErrorClass::NoCapacity),
    // the reservation is full, or has no place of that type in that zone
    ("ReservationCapacityExceeded", ErrorClass::NoCapacity),
    // the type is not offered in that zone: for us the same as a pool that is empty
    ("Unsupported", ErrorClass::NoCapacity),
    // quotas of the account or the market: another zone does not help
    ("MaxSpotInstanceCountExceeded", ErrorClass::Quota),
    ("SpotMaxPriceTooLow", ErrorClass::Quota),
    ("VcpuLimitExceeded", ErrorClass::Quota),
    ("InstanceLimitExceeded", ErrorClass::Quota),
    ("TargetCapacityLimitExceededException", ErrorClass::Quota),
    ("MaxSpotFleetRequestCountExceeded", ErrorClass::Quota),
    ("MaxFleetCountExceeded", ErrorClass::Quota),
    ("TooManyTargets", ErrorClass::Quota),
    ("TooManyRegistrationsForTargetId", ErrorClass::Quota),
    ("LimitExceeded", ErrorClass::Quota),
    ("LimitExceededFault", ErrorClass::Quota),
    ("InsufficientFreeAddressesInSubnet", ErrorClass::Subnet),
    // asked too fast
    ("RequestLimitExceeded", ErrorClass::Throttled),
    ("ResourceLimitExceeded", ErrorClass::Throttled),
    ("EC2ThrottledException", ErrorClass::Throttled),
    ("Throttl*", ErrorClass::Throttled),
    ("RequestThrottled*", ErrorClass::Throttled),
    ("TooManyRequests*", ErrorClass::Throttled),
    ("ProvisionedThroughputExceeded*", ErrorClass::Throttled),
    ("BandwidthLimitExceeded", ErrorClass::Throttled),
    ("SlowDown", ErrorClass::Throttled),
    // Route 53 is still at an earlier change of that zone
    ("PriorRequestNotComplete", ErrorClass::Throttled),
    // the token: look the launch up by its tags
    ("IdempotentParameterMismatch*", ErrorClass::Token),
    ("IdempotentInstanceTerminated", ErrorClass::Token),
    // it is not there, or not yet
    ("InvalidInstanceID.NotFound", ErrorClass::NotFound),
    ("TargetGroupNotFound*", ErrorClass::NotFound),
    ("ListenerNotFound*", ErrorClass::NotFound),
    ("RuleNotFound*", ErrorClass::NotFound),
    ("ServiceNotFound", ErrorClass::NotFound),
    ("InstanceNotFound", ErrorClass::NotFound),
    ("NoSuchHostedZone", ErrorClass::NotFound),
    ("EndpointGroupNotFound*", ErrorClass::NotFound),
    ("AcceleratorNotFound*", ErrorClass::NotFound),
    ("InvalidAllocationID.NotFound", ErrorClass::NotFound),
    ("InvalidRouteTableID.NotFound", ErrorClass::NotFound),
    ("InvalidRoute.NotFound", ErrorClass::NotFound),
    // the instance is not running, or gone: a later look decides
    ("InvalidTarget*", ErrorClass::NotFound),
    ("ResourceNotFound*", ErrorClass::NotFound),
    // a person must allow it
    ("UnauthorizedOperation", ErrorClass::Denied),
    ("OperationNotPermitted", ErrorClass::Denied),
    ("AccessDenied*", ErrorClass::Denied),
    ("AuthFailure", ErrorClass::Denied),
    ("OptInRequired", ErrorClass::Denied),
    ("PendingVerification", ErrorClass::Denied),
    ("Blocked", ErrorClass::Denied),
    ("ExpiredToken*", ErrorClass::Denied),
    ("InvalidClientTokenId", ErrorClass::Denied),
    ("UnrecognizedClientException", ErrorClass::Denied),
    ("SignatureDoesNotMatch", ErrorClass::Denied),
    // the request is wrong: template, image, parameter
    ("InvalidAMIID.*", ErrorClass::Invalid),
    ("InvalidCapacityReservation*", ErrorClass::Invalid),
    ("InvalidLaunchTemplate*", ErrorClass::Invalid),
    ("InvalidParameter*", ErrorClass::Invalid),
    ("InvalidConfigurationRequest*", ErrorClass::Invalid),
    ("ValidationE*", ErrorClass::Invalid),
    // AWS is unwell; some services answer these with a 4xx
    ("InternalError", ErrorClass::Transient),
    ("InternalFailure", ErrorClass::Transient),
    ("InternalServerError", ErrorClass::Transient),
    ("InternalServiceFault", ErrorClass::Transient),
    ("InternalServiceErrorException", ErrorClass::Transient),
    ("ServiceUnavailable*", ErrorClass::Transient),
    ("Unavailable", ErrorClass::Transient),
    ("RequestTimeout*", ErrorClass::Transient),
    ("TransactionInProgressException", ErrorClass::Transient),
    ("TransactionConflictException", ErrorClass::Transient),
];

/// The class of an AWS error code; none if the table does not name it.
#[must_use]
pub fn class_of(code: &str) -> Option<ErrorClass> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => code.starts_with(beginning),
        None => code == pattern,
    };
    CODES.iter().find(|(pattern, _)| fits(pattern)).map(|(_, class)| *class)
}

/// The class of a code inside an answer that is no error as a whole: what the table does not name is the request's fault.
pub(crate) fn class_of_answer(code: &str) -> ErrorClass {
    class_of(code).unwrap_or(ErrorClass::Invalid)
}

/// Any SDK error, as the engine sees it.
pub(crate) fn port_error<E>(call: &'static str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match &error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let code = meta.code().unwrap_or("Unknown");
            let status = service.raw().status();
            PortError {
                call,
                class: class_of(code).unwrap_or_else(|| class_of_status(status.as_u16())),
                code: code.to_owned(),
                message: shortened(meta.message().unwrap_or_default()),
            }
        }
        // nothing was sent, and nothing will be until somebody mends it
        SdkError::ConstructionFailure(_) => own(call, ErrorClass::Invalid, code::REQUEST, &DisplayErrorContext(&error).to_string()),
        SdkError::TimeoutError(_) => own(call, ErrorClass::Transient, code::TIMEOUT, &DisplayErrorContext(&error).to_string()),
        SdkError::ResponseError(_) => own(
            call,
            ErrorClass::Transient,
            code::RESPONSE,
            &DisplayErrorContext(&error).to_string(),
        ),
        _ => own(
            call,
            ErrorClass::Transient,
            code::CONNECTION,
            &DisplayErrorContext(&error).to_string(),
        ),
    }
}

/// An error of ours about an answer.
pub(crate) fn own(call: &'static str, class: ErrorClass, code: &str, message: &str) -> PortError {
    PortError {
        call,
        class,
        code: code.to_owned(),
        message: shortened(message),
    }
}

/// An answer without a field that AWS always sends: nothing can be concluded from it.
pub(crate) fn incomplete(call: &'static str, what: &str) -> PortError {
    own(call, ErrorClass::Transient, code::INCOMPLETE, what)
}

/// More pages than we read: a part is never returned.
pub(crate) fn too_many_pages(call: &'static str, pages: usize) -> PortError {
    own(call, ErrorClass::Invalid, code::TOO_MANY_PAGES, &format!("more than {pages} pages"))
}

fn class_of_status(status: u16) -> ErrorClass {
    match status {
        429 => ErrorClass::Throttled,
        400..=499 => ErrorClass::Invalid,
        _ => ErrorClass::Transient,
    }
}

pub(crate) fn shortened(message: &str) -> String {
    message.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_a_launch_has_its_class() {
        for (code, class) in [
            ("InsufficientInstanceCapacity", Some(ErrorClass::NoCapacity)),
            ("InsufficientHostCapacity", Some(ErrorClass::NoCapacity)),
            ("InsufficientCapacityOnHost", Some(ErrorClass::NoCapacity)),
            ("UnfulfillableCapacity", Some(ErrorClass::NoCapacity)),
            ("Unsupported", Some(ErrorClass::NoCapacity)),
            ("ReservationCapacityExceeded", Some(ErrorClass::NoCapacity)),
            ("InvalidCapacityReservationId.NotFound", Some(ErrorClass::Invalid)),
            ("MaxSpotInstanceCountExceeded", Some(ErrorClass::Quota)),
            ("SpotMaxPriceTooLow", Some(ErrorClass::Quota)),
            ("VcpuLimitExceeded", Some(ErrorClass::Quota)),
            ("InstanceLimitExceeded", Some(ErrorClass::Quota)),
            ("TargetCapacityLimitExceededException", Some(ErrorClass::Quota)),
            ("MaxSpotFleetRequestCountExceeded", Some(ErrorClass::Quota)),
            ("RequestLimitExceeded", Some(ErrorClass::Throttled)),
            ("Throttling", Some(ErrorClass::Throttled)),
            ("ThrottlingException", Some(ErrorClass::Throttled)),
            ("ResourceLimitExceeded", Some(ErrorClass::Throttled)),
            ("IdempotentParameterMismatch", Some(ErrorClass::Token)),
            ("IdempotentInstanceTerminated", Some(ErrorClass::Token)),
            ("InsufficientFreeAddressesInSubnet", Some(ErrorClass::Subnet)),
            ("InvalidAMIID.NotFound", Some(ErrorClass::Invalid)),
            ("InvalidLaunchTemplateName.NotFoundException", Some(ErrorClass::Invalid)),
            ("InvalidParameterValue", Some(ErrorClass::Invalid)),
            ("UnauthorizedOperation", Some(ErrorClass::Denied)),
            ("InvalidInstanceID.NotFound", Some(ErrorClass::NotFound)),
            ("InvalidInstanceID.Malformed", None),
            ("TargetGroupNotFound", Some(ErrorClass::NotFound)),
            ("ProvisionedThroughputExceededException", Some(ErrorClass::Throttled)),
            ("SomethingNew", None),
        ] {
            assert_eq!(class_of(code), class, "{code}");
        }
    }

    #[test]
    fn a_status_decides_where_the_code_is_new() {
        for (status, class) in [
            (400, ErrorClass::Invalid),
            (404, ErrorClass::Invalid),
            (429, ErrorClass::Throttled),
            (500, ErrorClass::Transient),
            (503, ErrorClass::Transient),
        ] {
            assert_eq!(class_of_status(status), class, "{status}");
        }
    }

    #[test]
    fn no_row_of_the_table_is_hidden_by_an_earlier_one() {
        for (place, (pattern, class)) in CODES.iter().enumerate() {
            let example = pattern.trim_end_matches('*');
            let first = CODES
                .iter()
                .position(|(other, _)| other.strip_suffix('*').map_or(example == *other, |b| example.starts_with(b)));
            assert_eq!(first, Some(place), "{pattern} {class}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(shortened(&"ü".repeat(1_000)).chars().count(), MESSAGE_CHARS_MAX);
    }
}
