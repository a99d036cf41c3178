//! A text as a filter and as a template: read or refused; then asked of bytes as an event, which is shown in every view.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rowfeed::event::{Event, Filter, Object, Show, Template, View};

fuzz_target!(|input: (&str, &[u8], &[u8], &[u8])| {
    let (text, key, value, old) = input;
    let mut event = Event::of("t", Some(key), Some(value));
    if let Some(old) = Object::of(old) {
        event = event.knowing(old);
    }
    let mut how = Show::default();
    if let Ok(filter) = Filter::parse(text) {
        how.judgement = filter.judge(&event);
        if let Some(equality) = filter.equality() {
            let mut found = Vec::new();
            let _ = equality.column.candidates(&event, &mut found);
        }
    }
    if let (Ok(template), Some(row)) = (Template::parse(text), event.row()) {
        let _ = template.render(&event, row);
    }
    for (_, view) in View::ALL {
        let mut out = Vec::new();
        if view.write(&event, &how, &mut out) {
            assert!(!out.contains(&b'\n'), "one line");
        }
    }
});
