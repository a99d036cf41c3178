//! The language, judgements and the index.
