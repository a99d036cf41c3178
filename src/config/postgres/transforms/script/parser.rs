//! The grammar: from words to the tree.

use regex::bytes::Regex;

use super::lexer::{Lexer, Token};
use super::{Comparison, DEPTH_MAX, Dialect, Expression, LENGTH_MAX, Literal, Method, PARTS_MAX, SchemaPart, Unreadable, Variable};
use crate::config::suggest;

/// Reads an expression.
pub fn parse(text: &str, dialect: Dialect) -> Result<Expression, Unreadable> {
    if text.len() > LENGTH_MAX {
        return Err(Unreadable { at: LENGTH_MAX, why: format!("it is longer than {LENGTH_MAX} bytes") });
    }
    let mut lexer = Lexer::new(text, dialect);
    let (token, at) = lexer.next()?;
    let mut parser = Parser { lexer, dialect, token, at, depth: 0, parts: 0 };
    if parser.is_word("return") {
        parser.advance()?;
    }
    let expression = parser.choice()?;
    if parser.is(";") {
        parser.advance()?;
    }
    if parser.token != Token::End {
        return Err(parser.unexpected("the end of the expression"));
    }
    Ok(expression)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    dialect: Dialect,
    token: Token,
    at: usize,
    depth: usize,
    parts: usize,
}

type Read = Result<Expression, Unreadable>;

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, Unreadable> {
        let (token, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn wrong(&self, why: impl Into<String>) -> Unreadable {
        self.lexer.wrong(self.at, why)
    }

    fn unexpected(&self, wanted: &str) -> Unreadable {
        let found = match &self.token {
            Token::Name(name) => format!("\"{name}\""),
            Token::Text(_) => "a text".to_owned(),
            Token::Slashed(_) => "a regular expression".to_owned(),
            Token::Number(..) => "a number".to_owned(),
            Token::Sign("=") => return self.wrong("nothing can be assigned: == compares"),
            Token::Sign(sign) => format!("\"{sign}\""),
            Token::End => "the end".to_owned(),
        };
        self.wrong(format!("{found} stands where {wanted} should"))
    }

    fn is(&self, sign: &str) -> bool {
        matches!(&self.token, Token::Sign(found) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Name(name) if name == word)
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), Unreadable> {
        if !self.is(sign) {
            return Err(self.unexpected(&format!("\"{sign}\"")));
        }
        self.advance().map(drop)
    }

    /// Counts a part.
    fn part(&mut self, expression: Expression) -> Read {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(self.wrong(format!("it has more than {PARTS_MAX} parts")));
        }
        Ok(expression)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Unreadable>) -> Result<T, Unreadable> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong(format!("it is more than {DEPTH_MAX} levels deep")));
        }
        let done = read(self);
        self.depth -= 1;
        done
    }

    fn choice(&mut self) -> Read {
        self.deeper(|parser| {
            let first = parser.any()?;
            if parser.is("?") {
                parser.advance()?;
                let then = parser.choice()?;
                parser.expect(":")?;
                let other = parser.choice()?;
                return parser.part(Expression::Choose(Box::new([first, then, other])));
            }
            let (groovy, js) = (parser.is("?:"), parser.is("??"));
            if !groovy && !js {
                return Ok(first);
            }
            parser.of_dialect(if groovy { "?:" } else { "??" }, if groovy { Dialect::Groovy } else { Dialect::JavaScript })?;
            parser.advance()?;
            let other = parser.choice()?;
            parser.part(Expression::Otherwise(Box::new([first, other]), groovy))
        })
    }

    fn of_dialect(&self, what: &str, dialect: Dialect) -> Result<(), Unreadable> {
        if self.dialect == dialect {
            return Ok(());
        }
        let other = if dialect == Dialect::Groovy {
            "Groovy's, and the language is JavaScript"
        } else {
            "JavaScript's, and the language is Groovy"
        };
        Err(self.wrong(format!("{what} is {other}")))
    }

    fn any(&mut self) -> Read {
        self.several(["||", "or"], Self::all, Expression::Or)
    }

    fn all(&mut self) -> Read {
        self.several(["&&", "and"], Self::negated, Expression::And)
    }

    fn several(&mut self, [sign, word]: [&str; 2], read: fn(&mut Self) -> Read, made: fn(Vec<Expression>) -> Expression) -> Read {
        let mut parts = vec![read(self)?];
        while self.is(sign) || self.is_word(word) {
            self.advance()?;
            let next = read(self)?;
            parts.push(self.part(next)?);
        }
        if parts.len() > 1 { self.part(made(parts)) } else { parts.pop().ok_or_else(|| self.unexpected("a value")) }
    }

    fn negated(&mut self) -> Read {
        if self.is_word("not") {
            self.advance()?;
            let inner = self.deeper(Self::negated)?;
            return self.part(Expression::Not(Box::new(inner)));
        }
        self.equality()
    }

    fn equality(&mut self) -> Read {
        let mut left = self.relation()?;
        loop {
            let comparison = match &self.token {
                Token::Sign("==") => Comparison::Equal,
                Token::Sign("!=") => Comparison::Unequal,
                Token::Sign(sign @ ("===" | "!==")) => {
                    if self.dialect == Dialect::Groovy {
                        return Err(self.wrong(format!("{sign} asks Groovy whether two objects are one: == and != compare what they hold")));
                    }
                    if *sign == "===" { Comparison::Same } else { Comparison::NotSame }
                }
                Token::Sign(sign @ ("=~" | "==~")) => {
                    let whole = *sign == "==~";
                    self.of_dialect(sign, Dialect::Groovy)?;
                    self.advance()?;
                    let regex = self.regex(whole)?;
                    left = self.part(Expression::Matches(Box::new(left), regex, whole))?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.relation()?;
            left = self.part(Expression::Compare(comparison, Box::new(left), Box::new(right)))?;
        }
    }

    fn relation(&mut self) -> Read {
        let mut left = self.sum()?;
        loop {
            let comparison = match &self.token {
                Token::Sign("<") => Comparison::Less,
                Token::Sign("<=") => Comparison::AtMost,
                Token::Sign(">") => Comparison::Greater,
                Token::Sign(">=") => Comparison::AtLeast,
                Token::Sign("!") => {
                    self.advance()?;
                    if !self.is_word("in") {
                        return Err(self.unexpected("\"in\""));
                    }
                    let inside = self.inside(left)?;
                    left = self.part(Expression::Not(Box::new(inside)))?;
                    continue;
                }
                Token::Name(name) if name == "in" => {
                    left = self.inside(left)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.sum()?;
            left = self.part(Expression::Compare(comparison, Box::new(left), Box::new(right)))?;
        }
    }

    fn inside(&mut self, element: Expression) -> Read {
        self.of_dialect("in", Dialect::Groovy)?;
        self.advance()?;
        if !self.is("[") {
            return Err(self.unexpected("a list in brackets"));
        }
        let list = self.list()?;
        self.part(Expression::OneOf(Box::new(element), list))
    }

    fn sum(&mut self) -> Read {
        let mut left = self.remainder()?;
        while self.is("+") {
            self.advance()?;
            let right = self.remainder()?;
            left = self.part(Expression::Join(Box::new([left, right])))?;
        }
        Ok(left)
    }

    fn remainder(&mut self) -> Read {
        let mut left = self.unary()?;
        while self.is("%") {
            self.advance()?;
            let right = self.unary()?;
            left = self.part(Expression::Remainder(Box::new([left, right])))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Read {
        if self.is("!") {
            self.advance()?;
            let inner = self.deeper(Self::unary)?;
            return self.part(Expression::Not(Box::new(inner)));
        }
        if self.is("-") {
            self.advance()?;
            let Token::Number(digits, suffix) = self.token.clone() else { return Err(self.unexpected("a number")) };
            let number = self.number(&format!("-{digits}"), suffix)?;
            self.advance()?;
            return self.part(Expression::Literal(number));
        }
        self.access()
    }

    fn number(&self, text: &str, suffix: Option<char>) -> Result<Literal, Unreadable> {
        let suffix = suffix.map(|suffix| suffix.to_ascii_lowercase());
        if !text.contains('.') && !matches!(suffix, Some('d' | 'f')) {
            return text.parse().map(Literal::Int).map_err(|_| self.wrong("it has more than 64 bits"));
        }
        if self.dialect == Dialect::Groovy && !matches!(suffix, Some('d' | 'f')) {
            return Ok(Literal::Decimal(text.into()));
        }
        text.parse().map(Literal::Double).map_err(|_| self.wrong("it is no number"))
    }

    fn access(&mut self) -> Read {
        let mut of = self.primary()?;
        // JavaScript leaves the whole way when one step of it is null; Groovy only that step.
        let mut short = false;
        loop {
            let safe = self.is("?.");
            if safe || self.is(".") {
                self.advance()?;
                let sticky = safe || short;
                short = sticky && self.dialect == Dialect::JavaScript;
                if safe && short && self.is("[") {
                    of = self.indexed(of, true)?;
                    continue;
                }
                let name = match self.advance()? {
                    Token::Name(name) | Token::Text(name) => name,
                    token => {
                        self.token = token;
                        return Err(self.unexpected("a name"));
                    }
                };
                of = if self.is("(") { self.call(of, &name, sticky)? } else { self.field(of, name, sticky)? };
            } else if self.is("[") {
                of = self.indexed(of, short)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn indexed(&mut self, of: Expression, safe: bool) -> Read {
        self.expect("[")?;
        let Token::Text(name) = self.advance()? else { return Err(self.wrong("a field's name in quotes should stand in the brackets")) };
        self.expect("]")?;
        self.field(of, name, safe)
    }

    fn field(&mut self, of: Expression, name: String, safe: bool) -> Read {
        if is_schema(&of) && matches!(name.as_str(), "name" | "version") {
            let part = if name == "name" { SchemaPart::Name } else { SchemaPart::Version };
            return self.part(Expression::Schema(Box::new(of), part));
        }
        // JavaScript has the length of a text as its property; a record has hardly a field of that name.
        if name == "length" && self.dialect == Dialect::JavaScript && !matches!(&of, Expression::Variable(_)) && !is_row(&of) {
            return self.part(Expression::Call(Box::new(of), Method::Length, Vec::new(), safe));
        }
        self.part(Expression::Field(Box::new(of), name.into(), safe))
    }

    fn call(&mut self, of: Expression, name: &str, safe: bool) -> Read {
        if name == "test" && matches!(of, Expression::Matches(..)) {
            self.of_dialect("test()", Dialect::JavaScript)?;
            let mut arguments = self.arguments()?;
            let Expression::Matches(_, regex, whole) = of else { return Err(self.unexpected("a regular expression")) };
            let text = arguments.pop().filter(|_| arguments.is_empty()).ok_or_else(|| self.wrong("test() takes one text"))?;
            return self.part(Expression::Matches(Box::new(text), regex, whole));
        }
        if matches!(name, "matches" | "get" | "field" | "getString") || (is_schema(&of) && matches!(name, "name" | "version")) {
            return self.special_call(of, name, safe);
        }
        let known = Method::ALL.iter().find(|(known, ..)| *known == name);
        let Some((_, method, count, only)) = known else {
            let names = Method::ALL.iter().map(|(name, ..)| *name).chain(["get", "matches", "name", "version", "field", "test"]);
            return Err(self.wrong(format!("{name}() is not known; {}", suggestion(name, &names.collect::<Vec<_>>()))));
        };
        if let Some(only) = only {
            self.of_dialect(&format!("{name}()"), *only)?;
        }
        let arguments = self.arguments()?;
        if arguments.len() != *count {
            return Err(self.wrong(format!("{name}() takes {}", if *count == 0 { "nothing" } else { "one value" })));
        }
        self.part(Expression::Call(Box::new(of), *method, arguments, safe))
    }

    /// What takes a text that stands there.
    fn special_call(&mut self, of: Expression, name: &str, safe: bool) -> Read {
        self.expect("(")?;
        if name == "matches" {
            self.of_dialect("matches()", Dialect::Groovy)?;
            let regex = self.regex(true)?;
            self.expect(")")?;
            // Unlike the operators, it cannot be asked of null.
            let text = self.part(Expression::Call(Box::new(of), Method::ToText, Vec::new(), safe))?;
            return self.part(Expression::Matches(Box::new(text), regex, true));
        }
        let argument = if self.is(")") { None } else { Some(self.advance()?) };
        self.expect(")")?;
        match (name, argument) {
            ("get" | "getString", Some(Token::Text(field))) => self.part(Expression::Field(Box::new(of), field.into(), safe)),
            ("field", Some(Token::Text(field))) if is_schema(&of) => {
                self.part(Expression::Schema(Box::new(of), SchemaPart::Field(field.into())))
            }
            ("name", None) => self.part(Expression::Schema(Box::new(of), SchemaPart::Name)),
            ("version", None) => self.part(Expression::Schema(Box::new(of), SchemaPart::Version)),
            _ => Err(self.wrong(format!("{name}() takes a name in quotes"))),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, Unreadable> {
        self.elements("(", ")")
    }

    fn list(&mut self) -> Result<Vec<Expression>, Unreadable> {
        self.elements("[", "]")
    }

    fn elements(&mut self, open: &'static str, close: &'static str) -> Result<Vec<Expression>, Unreadable> {
        self.expect(open)?;
        let mut elements = Vec::new();
        while !self.is(close) {
            let parts = self.parts;
            let element = self.choice()?;
            // A long list is no deep one.
            if matches!(element, Expression::Literal(_)) {
                self.parts = parts;
            }
            elements.push(element);
            if !self.is(",") {
                break;
            }
            self.advance()?;
        }
        self.expect(close)?;
        Ok(elements)
    }

    fn regex(&mut self, whole: bool) -> Result<Regex, Unreadable> {
        match self.token.clone() {
            Token::Text(text) | Token::Slashed(text) => {
                let regex = self.compiled(&text, whole)?;
                self.advance()?;
                Ok(regex)
            }
            _ => Err(self.unexpected("a regular expression in quotes or slashes")),
        }
    }

    fn compiled(&self, text: &str, whole: bool) -> Result<Regex, Unreadable> {
        let compiled = if whole { Regex::new(&format!("^(?:{text})$")) } else { Regex::new(text) };
        compiled.map_err(|error| {
            let error = error.to_string();
            let why = error.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it cannot be compiled").to_owned();
            self.wrong(format!("the regular expression is not one: {why}"))
        })
    }

    fn primary(&mut self) -> Read {
        let (token, at) = (self.token.clone(), self.at);
        let literal = match token {
            Token::Sign("(") => {
                self.advance()?;
                let inner = self.choice()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => {
                let list = self.list()?;
                return self.asked_list(list);
            }
            Token::Slashed(text) => {
                self.of_dialect("a regular expression that stands alone", Dialect::JavaScript)?;
                let regex = self.compiled(&text, false)?;
                self.advance()?;
                if !self.is(".") {
                    return Err(self.unexpected("\".test(\""));
                }
                return self.part(Expression::Matches(Box::new(Expression::Literal(Literal::Null)), regex, false));
            }
            Token::Text(text) => Literal::Text(text.into()),
            Token::Number(digits, suffix) => self.number(&digits, suffix)?,
            Token::Name(name) => match name.as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                "undefined" if self.dialect == Dialect::JavaScript => Literal::Undefined,
                _ => {
                    let Some((_, variable)) = Variable::ALL.iter().find(|(known, _)| *known == name) else {
                        let names = Variable::ALL.map(|(name, _)| name);
                        return Err(self.lexer.wrong(at, format!("\"{name}\" is not known here; {}", suggestion(&name, &names))));
                    };
                    self.advance()?;
                    return self.part(Expression::Variable(*variable));
                }
            },
            Token::Sign(_) | Token::End => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        self.part(Expression::Literal(literal))
    }

    /// `['a', 'b'].contains(x)`.
    fn asked_list(&mut self, list: Vec<Expression>) -> Read {
        let asked = self.is(".") && {
            self.advance()?;
            matches!(&self.token, Token::Name(name) if matches!(name.as_str(), "contains" | "includes"))
        };
        if !asked {
            return Err(self.wrong("a list can only be asked what it contains: x in ['a', 'b'], or ['a', 'b'].includes(x)"));
        }
        let name = self.advance()?;
        let dialect = if name == Token::Name("contains".to_owned()) { Dialect::Groovy } else { Dialect::JavaScript };
        self.of_dialect(if dialect == Dialect::Groovy { "contains()" } else { "includes()" }, dialect)?;
        let mut arguments = self.arguments()?;
        let element = arguments.pop().filter(|_| arguments.is_empty()).ok_or_else(|| self.wrong("it takes one value"))?;
        self.part(Expression::OneOf(Box::new(element), list))
    }
}

/// The nearest of the names, or all.
fn suggestion(word: &str, known: &[&str]) -> String {
    let nearest = suggest::did_you_mean(word, known.iter().copied());
    if nearest.is_empty() { format!("known: {}", known.join(", ")) } else { nearest }
}

fn is_schema(of: &Expression) -> bool {
    matches!(of, Expression::Variable(Variable::KeySchema | Variable::ValueSchema))
}

/// `value.after` and the like, which have fields.
fn is_row(of: &Expression) -> bool {
    let inside = |name: &str| matches!(name, "before" | "after" | "source" | "transaction");
    matches!(of, Expression::Field(of, name, _) if matches!(**of, Expression::Variable(Variable::Value)) && inside(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_expressions_are_read() {
        for text in [
            "value.op == 'u' && value.before.id == 2",
            "value.op != 'd' || value.before.id != 2",
            "value?.after?.status in ['a', \"b\", null] || !(value.after.n >= -1.5)",
            "value.after.get('x').toLowerCase().startsWith('a') and not value.after['y'].isEmpty()",
            "value == null ? 'nulls' : (value.before.id == 1 ? 'ones' : null)",
            "value.after.name =~ /^a\\/b/ || value.after.name ==~ 'x.*' || value.after.name.matches('[a-z]+')",
            "(value.after.kind ?: 'none') + '.' + value.source.table",
            "valueSchema.name().endsWith('Envelope') && keySchema.name != null && valueSchema.field('op') != null",
            "return header.idh.value == 1 && topic.size() > 5 && value.after.id % 2L == 0;",
            "value.after.'my-column' !in [1, 2]",
        ] {
            parse(text, Dialect::Groovy).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for text in [
            "value.op === 'c' && value.after?.id !== 2 && ['a', 'b'].includes(value.after.kind)",
            "/^a.b/.test(value.after.name) ? `x` : (value.after.kind ?? 'none')",
            "value.after.name.length > 3",
        ] {
            parse(text, Dialect::JavaScript).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn what_is_not_part_of_the_language_is_told_with_its_place() {
        for (text, dialect, error) in [
            ("value.op = 'u'", Dialect::Groovy, "at character 10: nothing can be assigned: == compares"),
            ("value.op == 'u", Dialect::Groovy, "at character 13: this text has no end"),
            ("valu.op == 'u'", Dialect::Groovy, "at character 1: \"valu\" is not known here; did you mean \"value\"?"),
            ("value.op == ", Dialect::Groovy, "at character 13: the end stands where a value should"),
            ("value.a.split(',')", Dialect::Groovy, "at character 14: split() is not known; known: startsWith, endsWith"),
            (
                "value.a === 'u'",
                Dialect::Groovy,
                "at character 9: === asks Groovy whether two objects are one: == and != compare what they hold",
            ),
            ("value.a ==~ 'u'", Dialect::JavaScript, "at character 9: ==~ is Groovy's, and the language is JavaScript"),
            ("value.a ==~ '('", Dialect::Groovy, "at character 13: the regular expression is not one: unclosed group"),
            (
                "\"a${value.op}\" == 'b'",
                Dialect::Groovy,
                "at character 3: values cannot be put into a text by $: put texts together with +",
            ),
            ("é('", Dialect::Groovy, "at character 1: \"é\" has no meaning here"),
            (
                "['a']",
                Dialect::Groovy,
                "at character 6: a list can only be asked what it contains: x in ['a', 'b'], or ['a', 'b'].includes(x)",
            ),
            ("value.a == 99999999999999999999", Dialect::Groovy, "at character 12: it has more than 64 bits"),
            ("value.op 'u'", Dialect::Groovy, "at character 10: a text stands where the end of the expression should"),
        ] {
            let told = parse(text, dialect).expect_err(text).to_string();
            assert!(told.starts_with(error), "{text}: {told}");
        }
    }

    #[test]
    fn depth_and_length_have_bounds() {
        for (text, why) in [
            (format!("{}value{}", "(".repeat(5000 / 2), ")".repeat(5000 / 2)), "levels deep"),
            (format!("{}value", "!".repeat(5000)), "levels deep"),
            (format!("{}value", "not ".repeat(2000)), "levels deep"),
            (format!("value{}", ".a".repeat(2000)), "parts"),
            (format!("value{}", " || value".repeat(800)), "parts"),
            (format!("topic{}", " + 'a'".repeat(800)), "parts"),
            (format!("topic{}", " ? 'a' : topic".repeat(500)), "levels deep"),
            ("a".repeat(10_000), "longer than 8192 bytes"),
        ] {
            let told = parse(&text, Dialect::Groovy).expect_err(why).to_string();
            assert!(told.contains(why), "{why}: {told}");
        }
        let list = format!("value.a in [{}]", "'x',".repeat(1500));
        parse(&list, Dialect::Groovy).expect("a long list is not deep");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"(value|\.after|\?\.|==~?|=~|in|not|or|and|[()\[\]'"/!<>&|?:.,+%;$ 0-9a-zé\\-]|'x'|null){0,30}"#) {
            for dialect in [Dialect::Groovy, Dialect::JavaScript] {
                let _ = parse(&text, dialect);
            }
        }
    }
}
