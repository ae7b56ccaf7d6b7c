//! Why a target failed.

use crate::{
    llama::LlamaError,
    record::{Failure, FailureKind},
};

pub(super) fn no_context() -> Failure {
    let message = "no context is open: the one before failed".into();
    Failure { kind: FailureKind::Context, message }
}

pub(super) fn state_failure(message: String) -> Failure {
    Failure { kind: FailureKind::State, message }
}

impl From<LlamaError> for Failure {
    fn from(error: LlamaError) -> Self {
        Self { kind: error.kind().into(), message: error.to_string() }
    }
}
