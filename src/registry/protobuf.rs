//! Protocol Buffers: reading `.proto` text or a compiled `FileDescriptorProto` in base64, and whether one version reads
//! another's bytes.
//!
//! The rule, message by message: every message of the writer is there; a field number that both have keeps its kind (numbers
//! that share their wire form and lose nothing but range are one kind, text and bytes are one), its type's name, its being
//! repeated, and its `oneof`; no required field comes or goes; none goes from a `oneof`. Names of fields, packages, enums'
//! values and options are free. Types of other files are compared by name and only when both sides have the same references.
//! Where Confluent's registry allows more (a field moved into a new `oneof`), this refuses.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Messages within messages: what reads a text recurses.
const DEPTH_MAX: usize = 60;
/// More reasons than this are not told.
const TOLD_MAX: usize = 100;

/// A file that was read.
#[derive(Debug)]
pub struct ProtoFile {
    text: String,
    /// Every message, by its name within the file.
    messages: HashMap<String, DescriptorProto>,
    enums: HashSet<String>,
    package: String,
    /// What it imports, in the form it was registered with.
    references: Vec<(String, String)>,
}

impl ProtoFile {
    /// Reads a file.
    pub fn read(text: &str, references: &[(String, String)]) -> Result<Self, String> {
        let text = text.trim();
        let file = match of_compiled(text) {
            Some(file) => file,
            None => parse(text)?,
        };
        let package = file.package.unwrap_or_default();
        let mut read =
            Self { text: text.to_owned(), messages: HashMap::new(), enums: HashSet::new(), package, references: references.to_vec() };
        read.enums.extend(file.enum_type.iter().filter_map(|item| item.name.clone()));
        for message in file.message_type {
            read.add(message, "");
        }
        Ok(read)
    }

    fn add(&mut self, mut message: DescriptorProto, scope: &str) {
        let name = within(scope, message.name.as_deref().unwrap_or_default());
        self.enums.extend(message.enum_type.iter().map(|item| within(&name, item.name.as_deref().unwrap_or_default())));
        for inner in std::mem::take(&mut message.nested_type) {
            self.add(inner, &name);
        }
        self.messages.insert(name, message);
    }

    /// The text as it was given, without spaces around it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The type that a name means inside a message: the innermost one of this file, else the name itself.
    fn meant(&self, name: &str, mut scope: &str) -> Meant {
        let full =
            name.strip_prefix('.').map(|full| full.strip_prefix(&self.package).and_then(|rest| rest.strip_prefix('.')).unwrap_or(full));
        if let Some(full) = full {
            return self.find(full).unwrap_or_else(|| Meant::Outside(full.to_owned()));
        }
        loop {
            if let Some(found) = self.find(&within(scope, name)) {
                return found;
            }
            scope = match scope.rsplit_once('.') {
                Some((outer, _)) => outer,
                None if !scope.is_empty() => "",
                None => break,
            };
        }
        let own = name.strip_prefix(&self.package).and_then(|rest| rest.strip_prefix('.'));
        own.and_then(|own| self.find(own)).unwrap_or_else(|| Meant::Outside(name.to_owned()))
    }

    fn find(&self, name: &str) -> Option<Meant> {
        if self.messages.contains_key(name) {
            Some(Meant::Message(name.to_owned()))
        } else {
            self.enums.contains(name).then(|| Meant::Enum(name.to_owned()))
        }
    }
}

/// What the name of a type means.
#[derive(Debug, PartialEq)]
enum Meant {
    Message(String),
    Enum(String),
    Outside(String),
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn of_compiled(text: &str) -> Option<FileDescriptorProto> {
    let bytes = STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())?;
    FileDescriptorProto::decode(&bytes[..]).ok()
}

/// A file as clients ask for it with `format=serialized`: compiled, in base64. Names of types stay as they are written, and
/// options of fields that other files define are left out.
pub fn compiled(text: &str) -> Result<String, String> {
    let text = text.trim();
    if of_compiled(text).is_some() {
        return Ok(text.to_owned());
    }
    let mut file = parse(text)?;
    file.message_type.iter_mut().for_each(forget_options);
    Ok(STANDARD.encode(file.encode_to_vec()))
}

/// A file has at most [`DEPTH_MAX`] levels.
fn forget_options(message: &mut DescriptorProto) {
    for options in message.field.iter_mut().filter_map(|field| field.options.as_mut()) {
        options.uninterpreted_option.clear();
    }
    message.nested_type.iter_mut().for_each(forget_options);
}

fn parse(text: &str) -> Result<FileDescriptorProto, String> {
    let text = bare(text)?;
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} levels"));
        }
    }
    protox_parse::parse("schema.proto", &text).map_err(|error| error.to_string())
}

/// The text with blanks for comments and with strings that have only letters, digits and what the names of files have: what
/// counts its braces and what reads it then cannot differ about which of them count. What the strings say is not compared.
fn bare(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('"' | '\'', _) => {
                out.push(char);
                loop {
                    match chars.next().filter(|inner| *inner != '\n').ok_or("a string has no end")? {
                        '\\' => {
                            chars.next().filter(|inner| *inner != '\n').ok_or("a string has no end")?;
                            out.push('_');
                        }
                        inner if inner == char => break,
                        inner => out.push(if inner.is_ascii_alphanumeric() || "./-".contains(inner) { inner } else { '_' }),
                    }
                }
                out.push(char);
            }
            ('/', Some('*')) => {
                chars.next();
                out.push(' ');
                let mut before = ' ';
                loop {
                    match chars.next().ok_or("a comment has no end")? {
                        '/' if before == '*' => break,
                        '*' if before == '/' => return Err("a comment within a comment".to_owned()),
                        inner => before = inner,
                    }
                }
            }
            ('/', Some('/')) => while chars.next_if(|inner| *inner != '\n').is_some() {},
            ('#', _) => return Err("\"#\" begins no comment here: \"//\" does".to_owned()),
            _ => out.push(char),
        }
    }
    Ok(out)
}

/// Why `reader` does not read the bytes of `writer`; empty when it does.
pub fn obstacles(reader: &ProtoFile, writer: &ProtoFile) -> Vec<String> {
    let mut told = Vec::new();
    let mut names: Vec<&String> = writer.messages.keys().collect();
    names.sort();
    for name in names {
        match (reader.messages.get(name), writer.messages.get(name)) {
            (Some(now), Some(before)) => {
                compare(Side { file: reader, message: now }, Side { file: writer, message: before }, name, &mut told)
            }
            _ => tell(&mut told, "MESSAGE_REMOVED", name, "the message is gone"),
        }
    }
    told.truncate(TOLD_MAX);
    told
}

#[derive(Clone, Copy)]
struct Side<'a> {
    file: &'a ProtoFile,
    message: &'a DescriptorProto,
}

impl Side<'_> {
    /// The `oneof` of a field; one that only says `optional` is none.
    fn oneof(&self, field: &FieldDescriptorProto) -> Option<&str> {
        let index = field.oneof_index.filter(|_| !field.proto3_optional())?;
        self.message.oneof_decl.get(usize::try_from(index).ok()?)?.name.as_deref()
    }
}

fn compare(reader: Side<'_>, writer: Side<'_>, name: &str, told: &mut Vec<String>) {
    let at = |field: &FieldDescriptorProto| format!("{name}/{}", field.number());
    let before: HashMap<i32, &FieldDescriptorProto> = writer.message.field.iter().map(|field| (field.number(), field)).collect();
    let now: HashMap<i32, &FieldDescriptorProto> = reader.message.field.iter().map(|field| (field.number(), field)).collect();
    for field in &reader.message.field {
        let Some(old) = before.get(&field.number()) else {
            if is_required(field) {
                tell(told, "REQUIRED_FIELD_ADDED", &at(field), "a required field is new");
            }
            continue;
        };
        if is_required(field) && !is_required(old) {
            tell(told, "REQUIRED_FIELD_ADDED", &at(field), "the field is required now");
        }
        if is_repeated(field) != is_repeated(old) {
            tell(told, "FIELD_NUMERIC_LABEL_CHANGED", &at(field), "the field is repeated on one side only");
        }
        if reader.oneof(field) != writer.oneof(old) {
            tell(told, "ONEOF_FIELD_MOVED", &at(field), "the field has another oneof");
        }
        if !same_type(reader, writer, field, old, name) {
            tell(told, "FIELD_KIND_CHANGED", &at(field), "the field has another type");
        }
    }
    for old in writer.message.field.iter().filter(|old| !now.contains_key(&old.number())) {
        if is_required(old) {
            tell(told, "REQUIRED_FIELD_REMOVED", &at(old), "a required field is gone");
        } else if writer.oneof(old).is_some() {
            tell(told, "ONEOF_FIELD_REMOVED", &at(old), "a field of a oneof is gone");
        }
    }
}

fn is_required(field: &FieldDescriptorProto) -> bool {
    field.label.is_some_and(|label| label == Label::Required as i32)
}

fn is_repeated(field: &FieldDescriptorProto) -> bool {
    field.label.is_some_and(|label| label == Label::Repeated as i32)
}

fn same_type(reader: Side<'_>, writer: Side<'_>, now: &FieldDescriptorProto, before: &FieldDescriptorProto, name: &str) -> bool {
    match (&now.type_name, &before.type_name) {
        (Some(to), Some(from)) => {
            let meant = reader.file.meant(to, name);
            let outside = matches!(meant, Meant::Outside(_));
            let known = !outside || is_googles(to) || reader.file.references == writer.file.references;
            known && meant == writer.file.meant(from, name) && group(now) == group(before)
        }
        (None, None) => kind(now.r#type).is_some_and(|to| Some(to) == kind(before.r#type)),
        _ => false,
    }
}

fn is_googles(name: &str) -> bool {
    name.trim_start_matches('.').starts_with("google.protobuf.")
}

fn group(field: &FieldDescriptorProto) -> bool {
    field.r#type == Some(Type::Group as i32)
}

/// Types of one number can stand for each other: their bytes have one form.
fn kind(declared: Option<i32>) -> Option<u8> {
    Some(match Type::try_from(declared?).ok()? {
        Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 | Type::Bool => 0,
        Type::Sint32 | Type::Sint64 => 1,
        Type::String | Type::Bytes => 2,
        Type::Fixed32 | Type::Sfixed32 => 3,
        Type::Fixed64 | Type::Sfixed64 => 4,
        Type::Float => 5,
        Type::Double => 6,
        Type::Message | Type::Enum | Type::Group => return None,
    })
}

fn tell(told: &mut Vec<String>, kind: &str, at: &str, why: &str) {
    if told.len() < TOLD_MAX {
        told.push(format!("{{errorType:'{kind}', description:'{why}', path:'#/{at}'}}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> ProtoFile {
        ProtoFile::read(&format!("syntax = \"proto3\";\npackage p;\n{body}"), &[]).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    #[test]
    fn a_reader_reads_the_bytes_of_a_writer_or_says_why_not() {
        for (reader, writer, obstacle) in [
            ("message A { int32 a = 1; }", "message A { int64 b = 1; }", None),
            ("message A { string a = 1; }", "message A { bytes a = 1; }", None),
            ("message A { string a = 1; }", "message A { int32 a = 1; }", Some("FIELD_KIND_CHANGED")),
            ("message A { sint32 a = 1; }", "message A { int32 a = 1; }", Some("FIELD_KIND_CHANGED")),
            ("message A { int32 a = 1; int32 b = 2; }", "message A { int32 a = 1; }", None),
            ("message A { int32 a = 1; }", "message A { int32 a = 1; int32 b = 2; }", None),
            ("message B {}", "message A {}", Some("MESSAGE_REMOVED")),
            ("message A {} message B {}", "message A {}", None),
            ("message A { repeated int32 a = 1; }", "message A { int32 a = 1; }", Some("LABEL_CHANGED")),
            ("message A { optional int32 a = 1; }", "message A { int32 a = 1; }", None),
            ("message A { oneof o { int32 a = 1; } }", "message A { int32 a = 1; }", Some("ONEOF_FIELD_MOVED")),
            ("message A { oneof o { int32 a = 1; } }", "message A { oneof o { int32 a = 1; int32 b = 2; } }", Some("ONEOF_FIELD_REMOVED")),
            ("message A { oneof o { int32 a = 1; int32 b = 2; } }", "message A { oneof o { int32 a = 1; } }", None),
            ("message A { B b = 1; } message B {}", "message A { p.B b = 1; } message B {}", None),
            ("message A { B b = 1; message B { int32 x = 1; } } message B {}", "message A { B b = 1; } message B {}", Some("FIELD_KIND")),
            ("message A { B b = 1; } message B {}", "message A { B b = 1; } enum B { X = 0; }", Some("FIELD_KIND_CHANGED")),
            ("message A { E e = 1; } enum E { X = 0; }", "message A { E e = 1; } enum E { X = 0; Y = 1; }", None),
            ("message A { map<string, int32> m = 1; }", "message A { map<string, int64> m = 1; }", None),
            ("message A { map<string, string> m = 1; }", "message A { map<string, int64> m = 1; }", Some("FIELD_KIND_CHANGED")),
        ] {
            let found = obstacles(&read(reader), &read(writer));
            match obstacle {
                None => assert!(found.is_empty(), "{reader} of {writer}: {found:?}"),
                Some(text) => assert!(found.iter().any(|told| told.contains(text)), "{reader} of {writer}: {found:?}"),
            }
        }
    }

    #[test]
    fn types_of_other_files_count_only_while_the_references_are_the_same() {
        let text = "syntax = \"proto3\"; import \"b.proto\"; message A { q.B b = 1; }";
        let with = |reference: &str| ProtoFile::read(text, &[("b.proto".to_owned(), reference.to_owned())]).expect("valid");
        assert!(obstacles(&with("one"), &with("one")).is_empty());
        assert!(!obstacles(&with("one"), &with("two")).is_empty());
    }

    #[test]
    fn braces_in_comments_and_strings_do_not_hide_how_deep_a_text_is() {
        for line in ["message a{//}\n", "message a{/*}*/", "message a{option a=\"}\";", "message a{option a='\\'}';", "message a{"] {
            let told = ProtoFile::read(&line.repeat(70_000), &[]).expect_err("too deep");
            assert!(told.contains("levels"), "{line}: {told}");
        }
        let odd = "/** {{ **/ // {\nmessage A { // }\n string a = 1 [json_name = \"{\\\"{\", deprecated = true]; /* } */ }\n";
        let braces = format!("{odd} message B {{ string b = 1 [json_name = '{}']; }}", "{".repeat(100));
        assert!(obstacles(&read(&braces), &read("message A { string a = 1; } message B { string b = 1; }")).is_empty());
        for bad in ["message A {} /* x", "message A {} /* /* */ */", "import \"a\n\";", "# x\nmessage A {}"] {
            assert!(ProtoFile::read(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_compiled_file_is_read_and_nonsense_is_not() {
        let compiled = protox_parse::parse("a.proto", "syntax = \"proto3\"; message A { int32 a = 1; }").expect("valid");
        let text = STANDARD.encode(compiled.encode_to_vec());
        let file = ProtoFile::read(&text, &[]).expect("a descriptor");
        assert!(obstacles(&file, &read("message A { int32 a = 1; }")).is_empty());
        for bad in ["message", "syntax = \"proto3\"; message A { int32 a = ; }", &"{".repeat(100_000)] {
            assert!(ProtoFile::read(bad, &[]).is_err(), "{bad:.40}");
        }
    }

    #[test]
    fn a_file_is_given_compiled() {
        let text = "syntax = \"proto3\"; message A { int32 b = 1 [(c.d) = {e: \"f\"}]; A a = 2; }";
        let given = compiled(text).expect("a file");
        let file = of_compiled(&given).expect("compiled");
        let fields = &file.message_type[0].field;
        let left =
            fields.iter().filter_map(|field| field.options.as_ref()).map(|options| options.uninterpreted_option.len()).sum::<usize>();
        assert_eq!((fields.len(), left), (2, 0));
        assert_eq!(compiled(&given), Ok(given.clone()));
        assert!(compiled("message {").is_err());
    }
}
