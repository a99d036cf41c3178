//! One file per Kafka API: how its request is read, what is done, how its response is written.
//!
//! Each file opens with key, versions, behaviour and what is left out. Requests are plain structures that borrow from the
//! frame; responses are plain structures too, so that both can be compared with Kafka's own definition in tests.

pub mod api_versions;
pub mod delete_groups;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod join_group;
pub mod leave_group;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
pub mod produce;
pub mod sync_group;

use super::router::{self, Refusal};

/// The only leader epoch there is: a single node never hands its partitions over.
const LEADER_EPOCH: i32 = 0;

/// `throttle_time_ms`: nobody is throttled.
const NO_THROTTLE: i32 = 0;

/// The topic's number and its partition, when both exist.
fn find_partition(log: &crate::log::builtin::BuiltinLog, topic: &str, partition: i32) -> Option<crate::record::Route> {
    let topic = log.topic(topic)?;
    let partition = u32::try_from(partition).ok().filter(|partition| *partition < topic.partitions)?;
    Some(crate::record::Route { topic: topic.index, partition })
}

/// Reads any request and forgets it: what fuzzing and property tests call. Everything that bytes from outside can reach
/// before a handler works with what was read is in here.
pub fn read_any(frame: &[u8]) -> Result<(), Refusal> {
    let (api, mut call) = router::read_header(frame, "")?;
    let (body, version) = (&mut call.body, call.version);
    match api.map_or(router::API_VERSIONS, |api| api.key) {
        0 => produce::read(body).map(drop),
        1 => fetch::read(body, version).map(drop),
        2 => list_offsets::read(body, version).map(drop),
        3 => metadata::read(body, version).map(drop),
        8 => offset_commit::read(body, version).map(drop),
        9 => offset_fetch::read(body, version).map(drop),
        10 => find_coordinator::read(body, version).map(drop),
        11 => join_group::read(body, version).map(drop),
        12 => heartbeat::read(body, version).map(drop),
        13 => leave_group::read(body, version).map(drop),
        14 => sync_group::read(body, version).map(drop),
        42 => delete_groups::read(body).map(drop),
        _ => api_versions::read(body, version),
    }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header of an API and version that are served, then anything.
    fn request() -> impl Strategy<Value = Vec<u8>> {
        let body = proptest::collection::vec(prop_oneof![3 => Just(0u8), 2 => 0u8..5, 1 => Just(0xff), 2 => any::<u8>()], 0..400);
        (0..router::APIS.len(), any::<prop::sample::Index>(), body).prop_map(|(api, version, body)| {
            let api = &router::APIS[api];
            let versions: Vec<i16> = (api.min..=api.max).collect();
            let mut frame = [api.key.to_be_bytes(), version.get(&versions).to_be_bytes()].concat();
            frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
            frame.extend_from_slice(&body);
            frame
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn no_request_makes_the_readers_panic(frame in request()) {
            let _ = read_any(&frame);
        }

        #[test]
        fn no_bytes_make_the_readers_panic(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_any(&frame);
        }
    }
}

#[cfg(test)]
mod oracle;
