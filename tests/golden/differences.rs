//! What is deliberately not as Debezium has it; `docs/events.md` tells users.

/// One difference in the events of a table.
pub struct Difference {
    /// In which captured files.
    pub scenes: &'static [&'static str],
    /// The table in `public`.
    pub table: &'static str,
    /// What Debezium's value has.
    pub theirs: &'static str,
    /// What ours has there.
    pub ours: &'static str,
    /// Only in events that have this, too.
    pub only: &'static str,
    /// Why.
    pub why: &'static str,
}

const fn differs(
    scenes: &'static [&'static str],
    table: &'static str,
    theirs: &'static str,
    ours: &'static str,
    only: &'static str,
    why: &'static str,
) -> Difference {
    Difference { scenes, table, theirs, ours, only, why }
}

const AS_ALONE: &str = "A value in an array is written as the same value alone. Debezium reads arrays through Java's old calendar and clock: no era, no infinity, no fraction below a millisecond, no 24:00.";
const KEEPS: &str = "Debezium drops what it does not expect: an array of several dimensions, one with a NaN, one of an enum (or of a few other types) with a NULL, one of sparse vectors.";
const AS_STREAMED: &str =
    "Debezium's snapshot disagrees with its own stream: Julian calendar, no era, other infinities. Ours has the stream's values.";
const GENERATED: &str =
    "Generated columns are in Debezium's snapshot and not in its stream, where PostgreSQL before 18 does not send them.";
const NAMES: &str = "Debezium's snapshot has values of the type `name`, its stream has null.";
const CLAMPED: &str = "More microseconds than a 64-bit number holds: Debezium overflows into the past, ours stays at the end of time.";
const MARKED: &str =
    "Debezium sends null for an unchanged large value of these types, as if it had been cleared. Ours is marked like the others.";
const OWN_MARK: &str = "Only the usual placeholder has its UUID known; a placeholder of one's own is sent as it is.";

const NUMBERS: &[&str] =
    &["values_default", "values_adaptive_time_microseconds", "values_microseconds", "values_nanoseconds", "values_connect"];
const TYPES: &[&str] = &["types_omitted", "types_bytes"];
const UNMADE: &str =
    "Debezium's bit arrays have the schema of one value, and are always null: left out with the other arrays that it does not publish.";
const MICROSECONDS: &[&str] = &["values_default", "values_adaptive_time_microseconds", "values_microseconds"];
const EVERYWHERE: &[&str] =
    &["values_default", "values_text", "values_adaptive_time_microseconds", "values_microseconds", "values_nanoseconds", "values_connect"];
const HIDDEN: &str = "Debezium's stars and hashes are for character columns only and pass by others that are text, too. A value that was to be hidden must not be published.";
const NOT_LOST: &str = "In Debezium column.propagate.source.type takes the hash away from a column that both name.";
const EXACT: &str = "Debezium counts an interval in floating point and cuts the fraction off; ours is exact.";

#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    differs(NUMBERS, "a_date", r#""v":[-622191234]"#, r#""v":[-2147472692]"#, "", AS_ALONE),
    differs(NUMBERS, "a_date", r#""v":[-703383]"#, r#""v":[-735160]"#, "", AS_ALONE),
    differs(&["values_text"], "a_date", r#""v":["+292278994-08-16Z"]"#, r#""v":["-5877611-06-21Z"]"#, "", AS_ALONE),
    differs(&["values_text"], "a_date", r#""v":["0044-03-15Z"]"#, r#""v":["-0043-03-15Z"]"#, "", AS_ALONE),
    differs(&["values_default"], "a_dimensions", "[null,null]", "[[1,2],[3,4]]", "", KEEPS),
    differs(&["values_default"], "a_enum", r#"{"id":1,"v":null}"#, r#"{"id":1,"v":["sad","it's, \"fine\"",null]}"#, "", KEEPS),
    differs(&["values_default"], "a_enum", r#"{"id":5,"v":null}"#, r#"{"id":5,"v":["sad","it's, \"fine\"",null]}"#, "", KEEPS),
    differs(&["values_default"], "a_numeric", r#"{"id":4,"p":null,"n":null}"#, r#"{"id":4,"p":null,"n":[{"scale":0,"value":"AQ=="},null]}"#, "", KEEPS),
    differs(&["values_default"], "a_numeric", r#"{"id":8,"p":null,"n":null}"#, r#"{"id":8,"p":null,"n":[{"scale":0,"value":"AQ=="},null]}"#, "", KEEPS),
    differs(&["values_text"], "a_numeric", r#"{"id":4,"p":null,"n":null}"#, r#"{"id":4,"p":null,"n":["1","NAN"]}"#, "", KEEPS),
    differs(&["values_text"], "a_numeric", r#"{"id":8,"p":null,"n":null}"#, r#"{"id":8,"p":null,"n":["1","NAN"]}"#, "", KEEPS),
    differs(&["values_double"], "a_numeric", r#"{"id":4,"p":null,"n":null}"#, r#"{"id":4,"p":null,"n":[1.0,"NaN"]}"#, "", KEEPS),
    differs(&["values_double"], "a_numeric", r#"{"id":8,"p":null,"n":null}"#, r#"{"id":8,"p":null,"n":[1.0,"NaN"]}"#, "", KEEPS),
    differs(MICROSECONDS, "a_time", "[3723123000,null]", "[3723123456,null]", "", AS_ALONE),
    differs(&["values_text"], "a_time", r#"["01:02:03.123Z",null]"#, r#"["01:02:03.123456Z",null]"#, "", AS_ALONE),
    differs(EVERYWHERE, "a_time", r#""z":["23:02:03Z"]"#, r#""z":["23:02:03.5Z"]"#, "", AS_ALONE),
    differs(&["values_default"], "a_time", r#""t":[0],"t3":[0]"#, r#""t":[86400000000],"t3":[86400000]"#, "", AS_ALONE),
    differs(&["values_microseconds", "values_adaptive_time_microseconds"], "a_time", r#""t":[0],"t3":[0]"#, r#""t":[86400000000],"t3":[86400000000]"#, "", AS_ALONE),
    differs(&["values_nanoseconds"], "a_time", r#""t":[0],"t3":[0]"#, r#""t":[86400000000000],"t3":[86400000000000]"#, "", AS_ALONE),
    differs(&["values_nanoseconds"], "a_time", "[3723123000000,null]", "[3723123456000,null]", "", AS_ALONE),
    differs(&["values_connect"], "a_time", r#""t":[0],"t3":[0]"#, r#""t":[86400000],"t3":[86400000]"#, "", AS_ALONE),
    differs(&["values_connect"], "a_timestamp", "[-63517960800000]", "[-63517788000000]", "", AS_ALONE),
    differs(&["values_microseconds"], "v_timestamp", r#""t3":-9223372036853776809"#, r#""t3":9223372036854775807"#, "", CLAMPED),
    differs(MICROSECONDS, "a_timestamp", "[-63517960800000000]", "[-63517788000000000]", "", AS_ALONE),
    differs(&["values_text"], "a_timestamp", r#"["-0043-03-13T10:00:00Z"]"#, r#"["-0043-03-15T10:00:00Z"]"#, "", AS_ALONE),
    differs(EVERYWHERE, "a_timestamptz", r#"["+292269055-12-02T23:00:00.000000Z"]"#, r#"["-infinity"]"#, "", AS_ALONE),
    differs(EVERYWHERE, "a_timestamptz", r#"["0044-03-15T10:00:00.000000Z"]"#, r#"["-0043-03-15T10:00:00.000000Z"]"#, "", AS_ALONE),
    differs(NUMBERS, "v_date", r#"{"id":5,"v":-141418}"#, r#"{"id":5,"v":-141428}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":5,"v":"1582-10-24Z"}"#, r#"{"id":5,"v":"1582-10-14Z"}"#, "", AS_STREAMED),
    differs(NUMBERS, "v_date", r#"{"id":6,"v":-141427}"#, r#"{"id":6,"v":-141437}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":6,"v":"1582-10-15Z"}"#, r#"{"id":6,"v":"1582-10-05Z"}"#, "", AS_STREAMED),
    differs(NUMBERS, "v_date", r#"{"id":13,"v":-622191234}"#, r#"{"id":13,"v":-2147472692}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":13,"v":"+292278994-08-16Z"}"#, r#"{"id":13,"v":"-5877611-06-21Z"}"#, "", AS_STREAMED),
    differs(NUMBERS, "v_date", r#"{"id":14,"v":-625821272}"#, r#"{"id":14,"v":-2147472691}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":14,"v":"+292269055-12-02Z"}"#, r#"{"id":14,"v":"-5877611-06-22Z"}"#, "", AS_STREAMED),
    differs(NUMBERS, "v_date", r#"{"id":15,"v":-703383}"#, r#"{"id":15,"v":-735160}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":15,"v":"0044-03-15Z"}"#, r#"{"id":15,"v":"-0043-03-15Z"}"#, "", AS_STREAMED),
    differs(NUMBERS, "v_date", r#"{"id":16,"v":-718798}"#, r#"{"id":16,"v":-719163}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":16,"v":"0001-12-31Z"}"#, r#"{"id":16,"v":"0000-12-31Z"}"#, "", AS_STREAMED),
    differs(NUMBERS, "v_date", r#"{"id":17,"v":1001860}"#, r#"{"id":17,"v":-2440550}"#, "", AS_STREAMED),
    differs(&["values_text"], "v_date", r#"{"id":17,"v":"4713-01-01Z"}"#, r#"{"id":17,"v":"-4712-01-01Z"}"#, "", AS_STREAMED),
    differs(&["values_default"], "v_name", r#"{"id":3,"v":null}"#, r#"{"id":3,"v":"a_name"}"#, "", NAMES),
    differs(MICROSECONDS, "v_timestamp", r#""t6":-9223372036853775810"#, r#""t6":9223372036854775807"#, "", CLAMPED),
    differs(&["shapes"], "generated", r#""a":2,"g":4}"#, r#""a":2}"#, "", GENERATED),
    differs(&["shapes"], "big", r#""n":null,"p":null"#, r#""n":"__debezium_unavailable_value","p":"__debezium_unavailable_value""#, r#""other":2,"#, MARKED),
    differs(&["shapes"], "big", r#""sa":null"#, r#""sa":[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]"#, r#""other":2,"#, MARKED),
    differs(&["shapes"], "big", r#""na":null,"fa":null,"ra":null,"za":null,"tsa":null,"tia":null,"boa":null,"ea":null,"oa":null,"ipa":null"#, r#""na":["__debezium_unavailable_value"],"fa":["__debezium_unavailable_value"],"ra":["__debezium_unavailable_value"],"za":["__debezium_unavailable_value"],"tsa":["__debezium_unavailable_value"],"tia":["__debezium_unavailable_value"],"boa":["__debezium_unavailable_value"],"ea":["__debezium_unavailable_value"],"oa":["__debezium_unavailable_value"],"ipa":["__debezium_unavailable_value"]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_double"], "big", r#""n":null,"p":null"#, r#""n":"__debezium_unavailable_value","p":"__debezium_unavailable_value""#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_double"], "big", r#""y":null,"j""#, r#""y":"__debezium_unavailable_value","j""#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_double"], "big", r#""ya":null"#, r#""ya":["__debezium_unavailable_value"]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_double"], "big", r#""sa":null"#, r#""sa":[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_double"], "big", r#""na":null,"fa":null,"ra":null,"za":null,"tsa":null,"tia":null,"boa":null,"ea":null,"oa":null,"ipa":null"#, r#""na":["__debezium_unavailable_value"],"fa":["__debezium_unavailable_value"],"ra":["__debezium_unavailable_value"],"za":["__debezium_unavailable_value"],"tsa":["__debezium_unavailable_value"],"tia":["__debezium_unavailable_value"],"boa":["__debezium_unavailable_value"],"ea":["__debezium_unavailable_value"],"oa":["__debezium_unavailable_value"],"ipa":["__debezium_unavailable_value"]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_text"], "big", r#""ya":null"#, r#""ya":["--"]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_text"], "big", r#""da":null"#, r#""da":["--"]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_text"], "big", r#""sa":null"#, r#""sa":[45,45]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_text"], "big", r#""na":null,"fa":null,"ra":null,"za":null,"tsa":null,"tia":null,"boa":null,"ea":null,"oa":null,"ipa":null"#, r#""na":["--"],"fa":["--"],"ra":["--"],"za":["--"],"tsa":["--"],"tia":["--"],"boa":["--"],"ea":["--"],"oa":["--"],"ipa":["--"]"#, r#""other":2,"#, MARKED),
    differs(&["stand_ins_text"], "big", r#""ua":["cfab1ba8-c67c-3c83-8db9-8d666f02a132"]"#, r#""ua":["--"]"#, r#""other":2,"#, OWN_MARK),
    differs(&["masks"], "stars_more", r#""ct":"CiText","u":"b68a35a7-17ad-35b3-af2a-ae46edb4545a","j":"{\"a\": 1}","h":"{\"a\":\"1\"}","ip":"192.168.1.1/24","x":"<a>b</a>""#, r#""ct":"*****","u":"*****","j":"*****","h":"*****","ip":"*****","x":"*****""#, "", HIDDEN),
    differs(&["masks"], "stars_more", r#""ct":null,"u":null,"j":null,"h":null,"ip":null,"x":null"#, r#""ct":"*****","u":"*****","j":"*****","h":"*****","ip":"*****","x":"*****""#, "", HIDDEN),
    differs(&["masks"], "hashed_more", r#""ct":"CiText","u":"b68a35a7-17ad-35b3-af2a-ae46edb4545a","j":"{\"a\": 1}","h":"{\"a\":\"1\"}","ip":"192.168.1.1/24","x":"<a>b</a>""#, r#""ct":"5f70fbd82da6e8f3d3b1814cd603a8439773416482c1a8b7d68a173412c86d37","u":"97fc06a6d20f4ce9e86faed9ae062bdc0291f06eb4509864a97b9bcfbe6ba312","j":"bcc56fc3f492ea128fd6b82d70a057f8a05d7a34830c5db085e41679e9dde344","h":"9e765eb15b81d746ae547a8c5f49ea9fa9d350faf1fa1df2e0cf5042964dd422","ip":"3e7508aa704f9d26c7b3cdceaaf0b57065c67e4a7d08c73900be13a7559e9df3","x":"f9e54755187a281fd0d7d3dd21b639dd7476c4a469fabf9ddde7e1fe21647d90""#, "", HIDDEN),
    differs(&["masks"], "propagated", r#""t":"abc""#, r#""t":"23982a5060e938a6303e33d56b2bdfb80e4cae9c5166f47237648e55911b835e""#, "", NOT_LOST),
    differs(TYPES, "big", r#""g":null,"gg":null"#, r#""g":{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null},"gg":{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null}"#, r#""other":2,"#, MARKED),
    differs(&["types_bytes"], "big", r#""ga":null,"wa":null,"cu":null,"tva":null"#, r#""ga":[{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null}],"wa":["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="],"cu":["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="],"tva":["__debezium_unavailable_value"]"#, r#""other":2,"#, MARKED),
    differs(&["types_omitted"], "big", r#""ga":null,"tva":null"#, r#""ga":[{"wkb":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","srid":null}],"tva":["__debezium_unavailable_value"]"#, r#""other":2,"#, MARKED),
    differs(&["types_bytes"], "t_composite", r#"{"id":4,"p":null,"pa":null,"#, r#"{"id":4,"p":null,"pa":["KDEseCk=",null],"#, "", KEEPS),
    differs(&["types_bytes"], "t_composite", r#"{"id":8,"p":null,"pa":null,"#, r#"{"id":8,"p":null,"pa":["KDEseCk=",null],"#, "", KEEPS),
    differs(&["types_bytes"], "t_system_a", r#"{"id":1,"tq":["J2EnICYgJ2In"],"l":["MC8xNkIzNzQ4"],"rc":["ZmVuY2U="],"x":["Nw=="],"jp":["JC4iYSI="],"tv":null"#, r#"{"id":1,"tq":["J2EnICYgJ2In"],"l":["MC8xNkIzNzQ4"],"rc":["ZmVuY2U="],"x":["Nw=="],"jp":["JC4iYSI="],"tv":["'a' 'b'",null]"#, "", KEEPS),
    differs(&["types_omitted"], "t_system_a", r#"{"id":1,"tv":null"#, r#"{"id":1,"tv":["'a' 'b'",null]"#, "", KEEPS),
    differs(&["types_bytes"], "t_system_a", r#"{"id":4,"tq":["J2EnICYgJ2In"],"l":["MC8xNkIzNzQ4"],"rc":["ZmVuY2U="],"x":["Nw=="],"jp":["JC4iYSI="],"tv":null"#, r#"{"id":4,"tq":["J2EnICYgJ2In"],"l":["MC8xNkIzNzQ4"],"rc":["ZmVuY2U="],"x":["Nw=="],"jp":["JC4iYSI="],"tv":["'a' 'b'",null]"#, "", KEEPS),
    differs(&["types_omitted"], "t_system_a", r#"{"id":4,"tv":null"#, r#"{"id":4,"tv":["'a' 'b'",null]"#, "", KEEPS),
    differs(&["types_omitted"], "t_system", r#"{"id":3,"nm":null"#, r#"{"id":3,"nm":"a_name""#, "", NAMES),
    differs(&["types_omitted"], "unmade", r#","b1":null,"b3":null"#, r#""#, "", UNMADE),
    differs(&["schemas_types_omitted"], "unmade", r#",{"type":"boolean","optional":true,"field":"b1"},{"type":"bytes","optional":true,"name":"io.debezium.data.Bits","version":1,"parameters":{"length":"3"},"field":"b3"}"#, "", "", UNMADE),
    differs(&["schemas_types_omitted", "schemas_types_bytes"], "t_extension_a", r#""items":{"type":"string","optional":false},"optional":true,"field":"i""#, r#""items":{"type":"string","optional":true},"optional":true,"field":"i""#, "", "An isbn in an array may be null; by Debezium's schema it may not, by that of citext it may."),
    differs(&["vectors"], "big", r#""v":null,"h":null,"va":null"#, r#""v":[],"h":[],"va":[[]]"#, r#""other":2,"#, MARKED),
    differs(&["vectors"], "v_vector_a", r#""s":null"#, r#""s":[{"dimensions":5,"vector":[[1,1.5]]}]"#, r#""v":[[1.0,2.0]]"#, KEEPS),
    differs(&["values_default"], "v_interval", r#""v":10666684799999998"#, r#""v":10666684799999999"#, "", EXACT),
];
