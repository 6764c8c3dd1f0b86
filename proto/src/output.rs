//! What the two output topics have in common: the choice of the format and the reasons why a value cannot be read.

/// How values of the output topics are written. A reader needs no setting: a JSON value begins with `{`, and no message of
/// ours begins with that byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutputFormat {
    /// The messages of [`messages`](crate::messages).
    #[default]
    Protobuf,
    /// One JSON object, for tools.
    Json,
}

/// Why a value of an output topic cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The value begins like JSON and is not the object that was expected.
    #[error("the value is not the expected JSON object: {detail}")]
    BadJson {
        /// What the parser says, with line and column.
        detail: String,
    },
    /// The value is not the message that was expected.
    #[error("the value neither begins with `{{` nor is the expected protobuf message: {detail}")]
    BadProtobuf {
        /// What the parser says.
        detail: String,
    },
    /// A column holds what it never holds.
    #[error("{column} is not {expected}")]
    Invalid {
        /// The column's name.
        column: &'static str,
        /// What it holds in a value of ours.
        expected: &'static str,
    },
}

impl DecodeError {
    pub(crate) fn bad_json(error: impl ToString) -> Self {
        Self::BadJson { detail: error.to_string() }
    }

    pub(crate) fn bad_protobuf(error: impl ToString) -> Self {
        Self::BadProtobuf { detail: error.to_string() }
    }
}

/// Fails for `column` unless `is_valid`.
pub(crate) fn require(
    is_valid: bool,
    column: &'static str,
    expected: &'static str,
) -> Result<(), DecodeError> {
    if is_valid { Ok(()) } else { Err(DecodeError::Invalid { column, expected }) }
}
