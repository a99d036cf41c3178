//! What events, filters, views and templates say, held against events as they are stored.
