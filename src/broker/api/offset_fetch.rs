//! OffsetFetch, key 9, versions 1 to 9: where groups are.
//!
//! One group up to version 7, several from 8. A group or partition that is not known has offset -1 and no error. Null
//! topics (from version 2) ask for all. `require_stable` (7) is always met: there are no transactions. Member id and epoch
//! (9) belong to the newer group protocol, which is not served; they are read and not used, as Kafka does for classic
//! groups.

use super::super::Broker;
use super::super::codec::{DecodeError, Decoder, Encoder};
use super::super::error_code::ErrorCode;
use super::super::groups::records::Committed;
use super::super::router::{Call, Refusal, Reply, Room};
use super::NO_THROTTLE;

/// A group asked for; no topics means all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) group: &'a str,
    pub(super) topics: Option<Vec<AskedTopic<'a>>>,
}

/// A topic and the partitions asked for.
pub(super) type AskedTopic<'a> = (&'a str, Vec<i32>);

/// A partition and its offset, if there is one.
type Place = (i32, Option<Committed>);

/// A group's answer.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) group: &'a str,
    pub(super) topics: Vec<(String, Vec<Place>)>,
}

/// Answers at once.
pub async fn handle(broker: &Broker, mut call: Call<'_>) -> Result<Reply, Refusal> {
    let asked = read(&mut call.body, call.version)?;
    let mut room = Room::of_response();
    let found = asked.into_iter().map(|asked| look_up(broker, asked, &mut room)).collect::<Result<Vec<_>, _>>()?;
    let mut response = call.response();
    write(&mut response, call.version, &found);
    Ok(response.into())
}

fn look_up<'a>(broker: &Broker, asked: Asked<'a>, room: &mut Room) -> Result<Found<'a>, Refusal> {
    let group = asked.group;
    let mut found = Vec::new();
    let Some(topics) = asked.topics else {
        for (topic, places) in broker.groups.all_committed(group) {
            room.take(topic.len() + places.iter().map(|(_, place)| PLACE_BYTES + place.metadata.len()).sum::<usize>())?;
            found.push((topic.to_string(), places.into_iter().map(|(partition, place)| (partition, Some(place))).collect()));
        }
        return Ok(Found { group, topics: found });
    };
    for (topic, partitions) in topics {
        room.take(PLACE_BYTES + topic.len())?;
        let mut places = Vec::new();
        for partition in partitions {
            let place = broker.groups.committed(group, topic, partition);
            room.take(PLACE_BYTES + place.as_ref().map_or(0, |place| place.metadata.len()))?;
            places.push((partition, place));
        }
        found.push((topic.to_owned(), places));
    }
    Ok(Found { group, topics: found })
}

/// What a place takes while it is collected, beside its text, in bytes.
const PLACE_BYTES: usize = size_of::<Place>();

pub(super) fn read<'a>(body: &mut Decoder<'a>, version: i16) -> Result<Vec<Asked<'a>>, DecodeError> {
    let groups = if version <= 7 {
        let group = body.string()?;
        vec![Asked { group, topics: read_topics(body)? }]
    } else {
        body.array(|d| {
            let group = d.string()?;
            if version >= 9 {
                let _member_id = d.nullable_string()?;
                let _member_epoch = d.i32()?;
            }
            let topics = read_topics(d)?;
            d.tags()?;
            Ok(Asked { group, topics })
        })?
    };
    if version >= 7 {
        let _require_stable = body.bool()?;
    }
    body.tags()?;
    Ok(groups)
}

fn read_topics<'a>(d: &mut Decoder<'a>) -> Result<Option<Vec<AskedTopic<'a>>>, DecodeError> {
    d.nullable_array(|d| {
        let topic = (d.string()?, d.array(Decoder::i32)?);
        d.tags()?;
        Ok(topic)
    })
}

pub(super) fn write(out: &mut Encoder, version: i16, groups: &[Found<'_>]) {
    if version >= 3 {
        out.i32(NO_THROTTLE);
    }
    if version <= 7 {
        let topics = groups.first().map(|found| found.topics.as_slice()).unwrap_or_default();
        write_topics(out, version, topics);
        if version >= 2 {
            out.i16(ErrorCode::NONE.0);
        }
    } else {
        out.array(groups.iter(), |out, found| {
            out.string(found.group);
            write_topics(out, version, &found.topics);
            out.i16(ErrorCode::NONE.0);
            out.tags();
        });
    }
    out.tags();
}

fn write_topics(out: &mut Encoder, version: i16, topics: &[(String, Vec<Place>)]) {
    out.array(topics.iter(), |out, (topic, places)| {
        out.string(topic);
        out.array(places.iter(), |out, (partition, place)| {
            out.i32(*partition);
            out.i64(place.as_ref().map_or(-1, |place| place.offset));
            if version >= 5 {
                out.i32(place.as_ref().map_or(-1, |place| place.leader_epoch));
            }
            out.nullable_string(Some(place.as_ref().map_or("", |place| &place.metadata)));
            out.i16(ErrorCode::NONE.0);
            out.tags();
        });
        out.tags();
    });
}
