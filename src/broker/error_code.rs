//! Kafka's error codes, as far as this broker answers with them.
//!
//! Names and numbers are those of `org.apache.kafka.common.protocol.Errors`; which code is right where is decided by the
//! handlers.

/// One of Kafka's error codes. 0 is success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

#[expect(missing_docs, reason = "the names are Kafka's own and say what its documentation says")]
impl ErrorCode {
    pub const NONE: Self = Self(0);
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub const OFFSET_METADATA_TOO_LARGE: Self = Self(12);
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    pub const INVALID_TOPIC_EXCEPTION: Self = Self(17);
    pub const ILLEGAL_GENERATION: Self = Self(22);
    pub const INCONSISTENT_GROUP_PROTOCOL: Self = Self(23);
    pub const INVALID_GROUP_ID: Self = Self(24);
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    pub const INVALID_SESSION_TIMEOUT: Self = Self(26);
    pub const REBALANCE_IN_PROGRESS: Self = Self(27);
    pub const INVALID_COMMIT_OFFSET_SIZE: Self = Self(28);
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    pub const INVALID_REQUEST: Self = Self(42);
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    pub const NON_EMPTY_GROUP: Self = Self(68);
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);
    pub const FETCH_SESSION_ID_NOT_FOUND: Self = Self(70);
    pub const UNKNOWN_LEADER_EPOCH: Self = Self(75);
    pub const UNSUPPORTED_COMPRESSION_TYPE: Self = Self(76);
    pub const MEMBER_ID_REQUIRED: Self = Self(79);
    pub const GROUP_MAX_SIZE_REACHED: Self = Self(81);
    pub const FENCED_INSTANCE_ID: Self = Self(82);
    pub const UNKNOWN_TOPIC_ID: Self = Self(100);

    /// True for success.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}
